//! `elect`: stands for election, or watches who is elected.

use bytes::Bytes;

use super::request::Misfit;
use super::spec::{Arg, ArgKind, CommandSpec, Effect, Flag};
use super::{CommandLine, Made, Refusal, Request};

/// `elect`
pub(super) const ELECT: CommandSpec = CommandSpec {
    effect: Effect::Writes,
    args: &[Arg::needed("election-name", ArgKind::Key), Arg::optional("proposal", ArgKind::Value)],
    flags: &[Flag::switch("listen", "print who is elected, again and again").short('l')],
    long: "Waits until it is elected, prints its key and <proposal>, and stays elected until Ctrl-C. Only mini-etcdctl does this.",
    examples: &["elect leader node1", "elect -l leader"],
    ..CommandSpec::new("elect", "Stands for election, or tells who is elected", made)
};

/// An election to take part in. Whoever runs it waits, for it ends with a signal.
#[derive(Clone, Debug)]
pub struct Elect {
    /// Its name.
    pub name: Bytes,
    /// What to say as who is elected; none to watch.
    pub proposal: Option<Bytes>,
}

fn made(line: &CommandLine<'_>) -> Made {
    let (name, proposal) = match (line.args(), line.switch("listen")) {
        ([name], true) => (name, None),
        ([_], false) => return Err(Refusal::bad_args("no proposal argument but -l not set")),
        ([name, proposal], false) => (name, Some(proposal.clone())),
        ([_, _], true) => return Err(Refusal::bad_args("proposal given but -l is set")),
        _ => {
            return Err(Refusal::bad_args(
                "elect takes one election name argument and an optional proposal argument",
            ));
        }
    };
    Ok(Box::new(Elect { name: name.clone(), proposal }))
}

impl Request for Elect {
    fn misfit(&self) -> Option<Misfit> {
        let expected = "a command that ends; mini-etcdctl stands for election";
        Some(Misfit { found: Some("elect".to_owned()), expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Scope, parse, request_of, split_words};

    #[test]
    fn who_listens_proposes_nothing() {
        let made = |line: &str| {
            let words = split_words(line.as_bytes()).unwrap().into_iter().map(Bytes::from);
            let parsed = parse(&words.collect::<Vec<_>>()).unwrap();
            let made = request_of(&parsed, &Scope::default());
            made.map(|made| made.downcast::<Elect>().unwrap().proposal.clone())
                .map_err(|refusal| refusal.text)
        };
        assert_eq!(made("elect e v"), Ok(Some("v".into())));
        assert_eq!(made("elect -l e"), Ok(None));
        assert!(made("elect e").unwrap_err().contains("-l not set"));
        assert!(made("elect e v -l").unwrap_err().contains("-l is set"));
        assert!(made("elect").unwrap_err().contains("one election name"));
    }
}
