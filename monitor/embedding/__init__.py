"""The open_clip encoder and the images it reads: besides `demo` the only place that imports torch."""
