//! What operators, their teams and the administrator can rely on.

mod deciding;
mod described;
mod files;
mod hostile;
mod sets;
mod support;
mod teams;
