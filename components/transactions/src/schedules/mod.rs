//! Scheduled and recurring transfers.
//!
//! A schedule's terms never change, and are a record of the key-value store with the number of its next
//! occurrence. An occurrence is an ordinary transfer, whose id follows from the schedule and the
//! occurrence's number: so it is made once, whoever makes it how often, after a crash or on two hosts at
//! the same time. The record only says which one comes next, and moves on once the ledger has answered; what
//! became of an occurrence is read off the ledger.
//!
//! *Missed.* What fell due while nobody was there is made late, in order, each occurrence by itself. One that
//! the ledger refuses, or that nobody can be paid by or to any more, is not tried again; the next one is.
//!
//! - [`terms`]: what is asked for, and when it is due.
//! - [`run`]: what is due is done.
//! - [`actions`]: who may do what.

pub mod actions;
pub(crate) mod http;
pub mod run;
pub mod terms;
