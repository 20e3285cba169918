"""What `zoo app` does: the page of predictions in a browser, for files that are dropped on it.

`given` checks what comes in, `shelf` holds the models, `answers` predicts, and `guard` keeps other
sites out; none of these needs Gradio. `window` is what Gradio shows, and `server` runs it.
"""
