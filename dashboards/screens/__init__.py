"""One file per page; each runs from top to bottom at every look. `dashboards/app.py` routes.

Not named `pages`: Streamlit takes a folder of that name for its older kind of navigation, and until somebody has opened
the first page it then runs the others without the router.
"""
