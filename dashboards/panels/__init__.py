"""Pieces of pages that are pages in themselves: each answers one question of an on-call engineer."""
