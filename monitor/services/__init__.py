"""What the processes do: one file per deed, and one per noun that several deeds share."""
