//! What README.md and docs/repl.md show is run as it stands, and compared with what stands there; what docs/recipes.md says is
//! done, and so are the examples of the commands' help.
//!
//! The first two hold blocks that are fenced as `console`: commands behind a prompt, and below each what it prints.
//! `UPDATE_DOCS=1 cargo test --workspace --test pages` writes docs/repl.md anew where it is wrong: an example is added as
//! a line behind a prompt.

#![expect(clippy::expect_used, reason = "a test may say what it expects")]

mod blocks;
mod claims;
mod examples;
mod mask;
mod prompt;
mod readme;
mod recipes;
mod repl;
