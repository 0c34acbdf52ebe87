//! Globs by hand, against a plain reading of gobwas' gluing, and against time.

use proptest::prelude::*;

use super::super::Matched;
use super::super::cost::{LINEAR, ratio};
use super::compile::{Arena, Id, Matcher};
use super::{Glob, glue};

#[test]
fn patterns_match_what_they_match_in_argo_cd() {
    use Matched::{Fault, No, Yes};
    for (pattern, text, expected) in [
        ("shop/*", "shop/prod/payments", Yes),
        ("shop/web-*", "shop/web-team/secret-app", Yes),
        ("*/*", "shop", No),
        ("*", "", Yes),
        ("**", "a/b", Yes),
        ("", "", Yes),
        ("", "a", No),
        ("a?c", "abc", Yes),
        ("a?c", "a/c", Yes),
        ("[abc]", "b", Yes),
        ("[!abc]", "b", No),
        ("[^a]", "b", No),
        ("[^a]", "^", Yes),
        ("[a-c]", "b", Yes),
        ("[!a-c]", "d", Yes),
        ("{a,b}c", "bc", Yes),
        ("{a,b", "b", Yes),
        ("\\*", "*", Yes),
        ("\\*", "a", No),
        ("[z-a]", "z", No),
        ("[", "[", No),
        ("a]", "a]", Yes),
        // What nobody would expect.
        ("a*a", "a", Yes),
        ("?", "", Yes),
        ("[!ab][!ab]", "ba", Yes),
        ("[!ab][!ab]", "ab", No),
        ("a{}", "a", Fault),
        ("{}a", "a", No),
        ("*{a*,b*}", "xb", Yes),
    ] {
        assert_eq!(Glob::new(pattern).matches(text), expected, "{pattern:?} on {text:?}");
    }
}

/// gobwas' `glueMatchers`, read plainly.
fn glue(arena: &mut Arena, parts: &[Id]) -> Option<Id> {
    let excluded = |arena: &Arena, id: Id| match arena.get(id) {
        Matcher::Super | Matcher::Single => Some(Vec::new()),
        Matcher::List { chars, not: true } => Some(chars.clone()),
        _ => None,
    };
    if parts.len() < 2 {
        return None;
    }
    let first = excluded(arena, parts[0]);
    if first.is_some() && parts.iter().all(|id| excluded(arena, *id) == first) {
        return Some(glue::every(arena, parts));
    }
    parts.iter().all(|id| arena.len(*id).is_some()).then(|| arena.row(parts.to_vec()))
}

/// gobwas' `minimizeMatchers`, read plainly: every slice is tried, and the best one is taken, until there is none.
fn minimize_plainly(arena: &mut Arena, mut matchers: Vec<Id>) -> Vec<Id> {
    loop {
        let mut done: Option<(Id, usize, usize)> = None;
        for l in 0..matchers.len() {
            for r in (l + 1..=matchers.len()).rev() {
                let Some(glued) = glue(arena, &matchers[l..r]) else { continue };
                let swap = match done {
                    None => true,
                    Some((best, from, to)) => {
                        matches!((arena.len(best), arena.len(glued)), (Some(known), Some(new)) if new > known) || to - from < r - l
                    }
                };
                if swap {
                    done = Some((glued, l, r));
                }
            }
        }
        let Some((glued, from, to)) = done else { return matchers };
        matchers.splice(from..to, [glued]);
    }
}

fn describe(arena: &Arena, id: Id) -> String {
    match arena.get(id) {
        Matcher::Row(all) | Matcher::EveryOf(all) | Matcher::AnyOf(all) => {
            let kind = format!("{:?}", arena.get(id));
            format!("{}{:?}", kind.split('(').next().unwrap(), all.iter().map(|id| describe(arena, *id)).collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    }
}

fn element() -> impl Strategy<Value = Matcher> {
    prop_oneof![
        4 => Just(Matcher::Super),
        4 => Just(Matcher::Single),
        2 => Just(Matcher::List { chars: vec!['a'], not: true }),
        1 => Just(Matcher::List { chars: vec!['b'], not: true }),
        3 => "[ab]{1,4}".prop_map(Matcher::Text),
        1 => Just(Matcher::Nothing),
        1 => Just(Matcher::Range { lo: 'a', hi: 'b', not: true }),
        2 => Just(Matcher::Prefix("p".to_owned())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn neighbours_are_glued_in_the_order_of_trying_every_slice(elements in proptest::collection::vec(element(), 0..16)) {
        let (mut plain, mut quick) = (Arena::default(), Arena::default());
        let ids: Vec<Id> = elements.iter().map(|m| plain.add(m.clone())).collect();
        let same: Vec<Id> = elements.iter().map(|m| quick.add(m.clone())).collect();
        let expected: Vec<String> = minimize_plainly(&mut plain, ids).into_iter().map(|id| describe(&plain, id)).collect();
        let found: Vec<String> = glue::minimize(&mut quick, same).into_iter().map(|id| describe(&quick, id)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_literal_matches_itself_alone(name in "[a-z0-9./:-]{1,20}", other in "[a-z0-9./:-]{1,20}") {
        prop_assert_eq!(Glob::new(&name).matches(&name), Matched::Yes);
        prop_assert_eq!(Glob::new(&name).matches(&other) == Matched::Yes, name == other);
    }

    #[test]
    fn no_pattern_makes_it_panic(pattern in any::<String>(), special in r"[*?!\[\]{},\\a-c/äß\x00-]{0,40}", text in any::<String>()) {
        for pattern in [pattern, special] {
            let glob = Glob::new(&pattern);
            let _any = (glob.matches(&text), glob.matches("shop/web-1"), glob.matches(&pattern));
        }
    }
}

#[test]
fn what_is_too_large_is_not_guessed() {
    assert_eq!(Glob::new(&"a".repeat(17 * 1024)).matches("a"), Matched::Undecided);
    assert_eq!(Glob::new(&("{".repeat(4000) + &"}".repeat(4000))).matches("a"), Matched::Undecided);
    assert_eq!(Glob::new(&"{a,b}".repeat(1000)).matches("a"), Matched::No, "wide is not deep");
}

/// Patterns that cost a matcher dear, each made of about so many bytes.
fn costly(bytes: usize) -> Vec<String> {
    let of = |piece: &str| piece.repeat(bytes / piece.len());
    vec![
        of("*a"),
        of("a*"),
        of("?a*"),
        of("?*"),
        of("*?[!a]"),
        of("{a,b}*"),
        of("{*a,b*}"),
        of("?"),
        of("[!ab]"),
        of("[ab]x*?"),
        of("*a?b**?c"),
        format!("{{{}}}", of("a*,")),
        format!("{{{}}}", of("aa,ab,")),
        format!("*{}*", of("a")),
        of("a"),
        "{".repeat(bytes / 2) + &"}".repeat(bytes / 2),
    ]
}

#[test]
fn eight_times_the_pattern_takes_far_less_than_the_square_of_that() {
    let text = "shop/".to_owned() + &"ab".repeat(100);
    for (small, large) in costly(1_250).iter().zip(costly(10_000)) {
        let work = |pattern: &str| {
            let _any = Glob::new(pattern).matches(&text);
        };
        let ratio = ratio(LINEAR, &|| work(small), &|| work(&large));
        assert!(ratio <= LINEAR, "{ratio}: {}", small.get(..20).unwrap_or_default());
    }
}

#[test]
fn no_match_takes_more_than_its_share() {
    // A long text makes a costly pattern costlier, up to a bound; what is beyond it is left open.
    let texts = ["ab".repeat(1_000), "ab".repeat(2_000)];
    for pattern in costly(10_000) {
        let glob = Glob::new(&pattern);
        for text in &texts {
            let _any = glob.matches(text);
        }
    }
    assert_eq!(Glob::new(&"*a*b".repeat(500)).matches(&"ab".repeat(20_000)), Matched::Undecided);
}
