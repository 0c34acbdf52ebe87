//! Our reading of policy texts against Argo CD's own loader and matcher.

use std::collections::BTreeMap;

use argocd_access::argocd::policy::{self, NamePattern, csv};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::instance::Data;
use super::support::policyjudge::{Judge, Request};

/// So many lines are compared.
const LINES: usize = 20_000;
/// Lines that should load are asked about together.
const TOGETHER: usize = 50;

fn data(text: String) -> Data {
    Data::from([("policy.csv".to_owned(), text)])
}

/// Lines near the border between what loads and what does not.
fn line() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        6 => proptest::sample::select(&["p", "g", "role:a", "exec", "create", "*/*", "allow", "deny", "x", "", "r", "e", "m", "p2", "g2", "P", "#", "a b", "ä", "\"a\"", "\"a,b\"", "\"a\"\"b\""][..]).prop_map(ToOwned::to_owned),
        1 => "[pg\", \t#a\u{a0}\u{85}\u{2003}\u{200b}\u{feff}\r\\\\'ä]{0,6}",
    ];
    let separator = proptest::sample::select(&[",", ", ", " ,", ",\t", ",,", " "][..]);
    let first = proptest::sample::select(&["p", "g", "p", "g", "\"p\"", " p", "\u{a0}g", "#p", "r", "e", "m", "x", "", "pp", "\""][..]);
    let tail = proptest::sample::select(&["", " ", "\r", ",", "\"", "#", "\u{a0}"][..]);
    (
        first,
        prop_oneof![Just(2_usize), Just(5), 0..8_usize].prop_flat_map(move |n| proptest::collection::vec((separator.clone(), word.clone()), n)),
        tail,
    )
        .prop_map(|(first, rest, tail)| rest.into_iter().fold(first.to_owned(), |line, (s, w)| line + s + &w) + tail)
}

#[test]
fn what_we_call_loadable_argo_cd_loads_and_what_we_call_broken_it_refuses() {
    let mut judge = Judge::start();
    let mut runner = TestRunner::deterministic();
    let strategy = line();
    let (mut good, mut bad) = (Vec::new(), 0);
    for _ in 0..LINES {
        let line = strategy.new_tree(&mut runner).unwrap().current();
        if policy::validate(&data(line.clone())).is_ok() {
            good.push(line);
        } else {
            bad += 1;
            assert!(judge.allowed(&data(line.clone()), &[], &[]).is_err(), "Argo CD loads {line:?}");
        }
    }
    for lines in good.chunks(TOGETHER) {
        if judge.allowed(&data(lines.join("\n")), &[], &[]).is_err() {
            let culprit = lines.iter().find(|l| judge.allowed(&data((*l).clone()), &[], &[]).is_err());
            panic!("Argo CD refuses {culprit:?} of {lines:?}");
        }
    }
    assert!(good.len() > 2000 && bad > 2000, "{} {bad}", good.len());
}

#[test]
fn whole_policies_of_several_keys_are_judged_alike() {
    let mut judge = Judge::start();
    let mut runner = TestRunner::deterministic();
    let sound = proptest::sample::select(&["p, role:a, exec, create, a/b, allow", "g, x, role:a", "# c", "", "  ", "g, \"a,b\", role:a"][..])
        .prop_map(ToOwned::to_owned);
    let text = proptest::collection::vec(prop_oneof![30 => sound, 1 => line()], 0..6).prop_map(|l| l.join("\n"));
    let key = proptest::sample::select(
        &[
            "policy.csv",
            "policy.a.csv",
            "policy..csv",
            "policy.A.csv",
            "policycsv",
            "policy.b.CSV",
            "xpolicy.c.csv",
            "policy.default",
            "policy.x.csv.bak",
        ][..],
    );
    let strategy = proptest::collection::btree_map(key.prop_map(ToOwned::to_owned), text, 0..5);
    for _ in 0..1500 {
        let data: BTreeMap<String, String> = strategy.new_tree(&mut runner).unwrap().current();
        assert_eq!(policy::validate(&data).is_ok(), judge.allowed(&data, &[], &[]).is_ok(), "{data:#?}");
    }
}

/// The fields that we read are the fields that Argo CD reads: whoever we think is named by a `g` line is the one who gets in, also where
/// the line is written in a way that we never would.
#[test]
fn the_fields_that_we_read_are_those_that_argo_cd_reads() {
    let mut judge = Judge::start();
    let mut runner = TestRunner::deterministic();
    let strategy = "[a\", \t#\u{a0}\u{2003}\u{200b}\\\\'ä]{1,9}";
    let (mut text, mut requests, mut seen) = (String::new(), Vec::new(), 0);
    for i in 0..8_000 {
        let raw = strategy.new_tree(&mut runner).unwrap().current();
        let line = format!("g, {raw}, role:t{i}");
        let Ok(fields) = csv::fields(&line) else { continue };
        if let [_, name, _] = fields.as_slice()
            && !name.is_empty()
        {
            text.push_str(&format!("{line}\np, role:t{i}, exec, create, a/o{i}, allow\n"));
            requests.push((line.clone(), Request::exec("nobody", &[name], &format!("a/o{i}"))));
            seen += 1;
        }
        if requests.len() == TOGETHER {
            let asked: Vec<Request> = requests.iter().map(|(_, r)| r.clone()).collect();
            let allowed = judge.allowed(&data(std::mem::take(&mut text)), &[], &asked).unwrap();
            for ((line, request), allowed) in requests.drain(..).zip(allowed) {
                assert!(allowed, "we read {:?} from {line:?}, Argo CD does not", request.groups);
            }
        }
    }
    assert!(seen > 1000, "{seen}");
}

#[test]
fn patterns_match_for_argo_cd_what_they_match_for_us() {
    let mut judge = Judge::start();
    let mut runner = TestRunner::deterministic();
    let patterns = "[ab.*?-]{1,7}";
    let names = "[ab.-]{0,6}";
    for mode in ["glob", "regex"] {
        for _ in 0..25 {
            let (mut text, mut requests, mut expected) = (String::new(), Vec::new(), Vec::new());
            for i in 0..20 {
                let pattern = NamePattern::parse(&patterns.new_tree(&mut runner).unwrap().current()).unwrap();
                let (object, exec) =
                    if mode == "regex" { (format!("^p/{}$", pattern.to_regex()), "^exec$") } else { (format!("p/{}", pattern.as_glob()), "exec") };
                text.push_str(&format!("{}\ng, g{i}, role:t{i}\n", csv::line(&["p", &format!("role:t{i}"), exec, "create", &object, "allow"])));
                for _ in 0..15 {
                    let name = names.new_tree(&mut runner).unwrap().current();
                    requests.push(Request::exec("nobody", &[&format!("g{i}")], &format!("p/{name}")));
                    expected.push((pattern.clone(), name.clone(), pattern.matches(&name)));
                }
            }
            let mut policy = data(text);
            policy.insert("policy.matchMode".to_owned(), mode.to_owned());
            let allowed = judge.allowed(&policy, &[], &requests).unwrap();
            for ((pattern, name, ours), theirs) in expected.into_iter().zip(allowed) {
                assert_eq!(ours, theirs, "{mode}: {pattern} on {name:?}");
            }
        }
    }
}

#[test]
fn whatever_we_quote_argo_cd_reads_back() {
    let mut judge = Judge::start();
    let mut runner = TestRunner::deterministic();
    let strategy = "[^\\r\\n\u{0}]{1,12}";
    for _ in 0..100 {
        let names: Vec<String> = (0..TOGETHER).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
        let text: String = names
            .iter()
            .enumerate()
            .map(|(i, n)| format!("{}\np, role:t{i}, exec, create, a/o{i}, allow\n", csv::line(&["g", n, &format!("role:t{i}")])))
            .collect();
        let requests: Vec<Request> = names.iter().enumerate().map(|(i, n)| Request::exec("nobody", &[n], &format!("a/o{i}"))).collect();
        let allowed = judge.allowed(&data(text), &[], &requests).unwrap();
        for (name, allowed) in names.iter().zip(allowed) {
            assert!(allowed, "{name:?}");
        }
    }
}
