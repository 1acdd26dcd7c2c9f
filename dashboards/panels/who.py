"""Who sits there: one name for everything that is kept with a name, given once in a session."""

from __future__ import annotations

from typing import Final

import streamlit as st

from monitor.domain.events import MAX_NAME

_KEY: Final = "name"
_WIDTH: Final = 240


def known() -> str:
    """What was given on this page or another; empty as long as nothing was."""
    return str(st.session_state.get(_KEY) or "").strip()


def ask() -> str:
    """Draw the field, once on a page."""
    return st.text_input("Your name", max_chars=MAX_NAME, persist_state="session", key=_KEY, width=_WIDTH).strip()


def ask_in_form() -> str:
    """Draw it in a form, of which a page may have several: none has the key, each begins with the name that is known.

    Streamlit loses the press of a form's button that ends the writing in a field outside of the form.
    """
    said = st.text_input("Your name", known(), max_chars=MAX_NAME, width=_WIDTH).strip()
    if said and said != known():
        st.session_state[_KEY] = said
    return said


def forget() -> None:
    st.session_state[_KEY] = ""
