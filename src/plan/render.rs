//! Rendering of a plan: text, JSON, Markdown.
