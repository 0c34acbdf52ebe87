//! What a value of an annotation must say, how that is merged into what is there, and how it comes out again. Pure.

use crate::ownership::Record;

/// What one annotation must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// Exactly this text.
    Text(String),
    /// A time of at least so many seconds.
    Seconds {
        /// The least.
        least: u64,
        /// How the controller reads and writes times.
        time: Time,
    },
    /// A comma-separated list that holds this element (or these, separated by commas); the others stay.
    Listed(String),
    /// A comma-separated list of `name=value` in which this name has a number of at least so much; the others stay.
    Attribute {
        /// The name.
        name: &'static str,
        /// The least.
        least: u64,
    },
}

/// How a controller reads and writes times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// A bare number of seconds.
    Plain,
    /// nginx's: numbers with units, without one seconds. Written with `s`.
    Nginx,
    /// HAProxy's: a number with a unit, without one milliseconds. Written with `s`.
    Haproxy,
}

/// Milliseconds of each unit; of two that begin alike the longer one comes first.
const NGINX_UNITS: &[(&str, u64)] =
    &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000), ("M", 2_592_000_000), ("y", 31_536_000_000)];
const HAPROXY_UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// Those of the Gateway API (GEP-2257).
const GATEWAY_UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

impl Time {
    fn write(self, seconds: u64) -> String {
        match self {
            Self::Plain => seconds.to_string(),
            Self::Nginx | Self::Haproxy => format!("{seconds}s"),
        }
    }

    /// The seconds that a text means, rounded down; `None`: not a time of this kind.
    fn read(self, text: &str) -> Option<u64> {
        let text = text.trim();
        let bare = text.parse::<u64>().ok();
        match self {
            Self::Plain => bare,
            Self::Nginx => bare.or_else(|| millis(text, NGINX_UNITS).map(|ms| ms / 1000)),
            Self::Haproxy => bare.or_else(|| millis(text, HAPROXY_UNITS)).map(|ms| ms / 1000),
        }
    }
}

impl Want {
    /// The value to write over `current`; `None` when `current` is good as it is.
    #[must_use]
    pub fn over(&self, current: Option<&str>) -> Option<String> {
        match self {
            Self::Text(text) => (current != Some(text)).then(|| text.clone()),
            Self::Seconds { least, time } => {
                let enough = current.and_then(|c| time.read(c)).is_some_and(|s| s >= *least);
                (!enough).then(|| time.write(*least))
            }
            Self::Listed(wanted) => {
                let mut listed: Vec<&str> = elements(current).collect();
                let there = listed.len();
                for element in elements(Some(wanted)) {
                    if !listed.contains(&element) {
                        listed.push(element);
                    }
                }
                (listed.len() > there).then(|| listed.join(","))
            }
            Self::Attribute { name, least } => {
                let ours = format!("{name}={least}");
                // Of several of one name the last one counts.
                let value = elements(current).filter(|e| name_of(e) == *name).last().and_then(|e| e.split_once('=')?.1.trim().parse::<u64>().ok());
                if value.is_some_and(|value| value >= *least) {
                    return None;
                }
                let mut listed: Vec<&str> = elements(current).map(|e| if name_of(e) == *name { ours.as_str() } else { e }).collect();
                if !listed.contains(&ours.as_str()) {
                    listed.push(&ours);
                }
                Some(listed.join(","))
            }
        }
    }

    /// How the reference shows it.
    #[must_use]
    pub fn shown(&self) -> String {
        self.over(None).unwrap_or_default()
    }
}

/// What we remember of a list-valued annotation, after somebody else added to it or took from it: our element is still ours alone, and
/// the one that it stands for comes back. Other values are remembered as they were.
#[must_use]
pub fn follow(key: &str, record: &Record, current: Option<&str>) -> Record {
    if !is_list(key) || current == Some(record.ours.as_str()) {
        return record.clone();
    }
    let before: Vec<&str> = elements(record.before.as_deref()).collect();
    let added: Vec<&str> = elements(Some(&record.ours)).filter(|e| !before.contains(e)).collect();
    let Some(current) = current.filter(|c| added.iter().all(|a| elements(Some(c)).any(|e| e == *a))) else { return record.clone() };
    let replaced = |element: &str| before.iter().copied().find(|b| is_attributes(key) && name_of(b) == name_of(element));
    let rest: Vec<&str> = elements(Some(current)).filter_map(|e| if added.contains(&e) { replaced(e) } else { Some(e) }).collect();
    Record { before: (!rest.is_empty()).then(|| rest.join(",")), ours: current.to_owned(), ..record.clone() }
}

/// Whether the annotation is a comma-separated list, of which only some elements are ours.
#[must_use]
pub fn is_list(key: &str) -> bool {
    key.ends_with("/websocket-services") || key.ends_with("/websocket-routes") || is_attributes(key)
}

fn is_attributes(key: &str) -> bool {
    key.ends_with("/load-balancer-attributes")
}

fn name_of(element: &str) -> &str {
    element.split_once('=').map_or(element, |(name, _)| name.trim())
}

/// The elements of a comma-separated list.
pub fn elements(list: Option<&str>) -> impl Iterator<Item = &str> {
    list.unwrap_or_default().split(',').map(str::trim).filter(|e| !e.is_empty())
}

/// Numbers with units, one behind the other, as milliseconds.
fn millis(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let mut rest = text.trim();
    let mut total = 0_u64;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, factor) = units.iter().find(|(unit, _)| tail.starts_with(unit))?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*factor)?)?;
        rest = tail.strip_prefix(unit)?.trim_start();
    }
    (!text.trim().is_empty()).then_some(total)
}

/// Reads a duration of the Gateway API into milliseconds, rounded down.
#[must_use]
pub fn gateway_millis(text: &str) -> Option<u64> {
    millis(text, GATEWAY_UNITS)
}

/// Reads hours, minutes and seconds in this order, such as `1h`, `90m` or `1h30m`, into seconds.
#[must_use]
pub fn parse_duration(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0_u64;
    for (unit, factor) in [('h', 3600), ('m', 60), ('s', 1)] {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        if let Some(tail) = tail.strip_prefix(unit) {
            total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
            rest = tail;
        }
    }
    (rest.is_empty() && !text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ATTRIBUTES: &str = "alb.ingress.kubernetes.io/load-balancer-attributes";
    const SERVICES: &str = "nginx.org/websocket-services";

    fn record(before: Option<&str>, ours: &str) -> Record {
        serde_json::from_value(serde_json::json!({"before": before, "ours": ours, "at": ""})).unwrap()
    }

    #[test]
    fn a_list_is_merged_and_only_our_element_leaves_it() {
        let want = Want::Listed("argocd-server".to_owned());
        assert_eq!(want.over(Some("a, b")).as_deref(), Some("a,b,argocd-server"));
        assert_eq!(want.over(Some("a,argocd-server")), None);
        let record = record(Some("a"), "a,argocd-server");
        let followed = |current| follow(SERVICES, &record, current);
        assert_eq!(followed(Some("a,argocd-server,c")).before.as_deref(), Some("a,c"));
        assert_eq!(followed(Some("argocd-server")).before, None);
        assert_eq!(followed(Some("b")), record, "our element is gone: somebody else's value stands");
    }

    #[test]
    fn an_attribute_is_raised_where_it_stands_and_its_former_value_comes_back() {
        let want = Want::Attribute { name: "idle_timeout.timeout_seconds", least: 600 };
        for (current, expected) in [
            (None, Some("idle_timeout.timeout_seconds=600")),
            (Some("a=1, idle_timeout.timeout_seconds = 60 ,b=2"), Some("a=1,idle_timeout.timeout_seconds=600,b=2")),
            (Some("idle_timeout.timeout_seconds=900"), None),
            (
                Some("idle_timeout.timeout_seconds=900,idle_timeout.timeout_seconds=60"),
                Some("idle_timeout.timeout_seconds=600,idle_timeout.timeout_seconds=600"),
            ),
            (Some("idle_timeout.timeout_seconds=x"), Some("idle_timeout.timeout_seconds=600")),
            (Some("idle_timeout"), Some("idle_timeout,idle_timeout.timeout_seconds=600")),
        ] {
            assert_eq!(want.over(current).as_deref(), expected, "{current:?}");
        }
        let record = record(Some("idle_timeout.timeout_seconds=60,b=2"), "idle_timeout.timeout_seconds=600,b=2");
        let followed = follow(ATTRIBUTES, &record, Some("b=3,idle_timeout.timeout_seconds=600"));
        assert_eq!(followed.before.as_deref(), Some("b=3,idle_timeout.timeout_seconds=60"));
    }

    #[test]
    fn a_longer_time_is_left_alone_in_the_controllers_own_words() {
        use Time::{Haproxy, Nginx, Plain};
        for (time, current, expected) in [
            (Nginx, Some("7200"), None),
            (Nginx, Some("2h"), None),
            (Nginx, Some("1h30m"), None),
            (Nginx, Some("1h 30m"), None),
            (Nginx, Some("1d"), None),
            (Nginx, Some("60"), Some("3600s")),
            (Nginx, Some("5000ms"), Some("3600s")),
            (Nginx, Some("x"), Some("3600s")),
            (Nginx, None, Some("3600s")),
            (Plain, Some("3600"), None),
            (Plain, Some("1h"), Some("3600")),
            (Haproxy, Some("3600"), Some("3600s")),
            (Haproxy, Some("3600000"), None),
            (Haproxy, Some("1h"), None),
        ] {
            assert_eq!(Want::Seconds { least: 3600, time }.over(current).as_deref(), expected, "{time:?} {current:?}");
        }
    }

    #[test]
    fn durations_are_hours_minutes_seconds_in_this_order() {
        for (text, expected) in [
            ("1h", Some(3600)),
            ("90m", Some(5400)),
            ("1h30m5s", Some(5405)),
            ("", None),
            ("1", None),
            ("5m1h", None),
            ("h", None),
            ("99999999999999999999h", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text:?}");
        }
        for (text, expected) in [("0s", Some(0)), ("1h30m", Some(5_400_000)), ("500ms", Some(500)), ("10", None), ("", None), ("s", None)] {
            assert_eq!(gateway_millis(text), expected, "{text:?}");
        }
    }

    fn wants() -> impl Strategy<Value = Want> {
        let time = prop_oneof![Just(Time::Plain), Just(Time::Nginx), Just(Time::Haproxy)];
        prop_oneof![
            "[a-z]{1,5}".prop_map(Want::Text),
            "[a-z]{1,3}(,[a-z]{1,3})?".prop_map(Want::Listed),
            (1u64..100_000, time).prop_map(|(least, time)| Want::Seconds { least, time }),
            (1u64..1000).prop_map(|least| Want::Attribute { name: "i", least }),
        ]
    }

    proptest! {
        #[test]
        fn what_a_want_writes_satisfies_it(current in proptest::option::of("[a-j0-9,= ]{0,16}"), want in wants()) {
            if let Some(value) = want.over(current.as_deref()) {
                prop_assert_eq!(want.over(Some(&value)), None);
            }
        }

        #[test]
        fn no_element_of_somebody_else_is_ever_lost(
            theirs in proptest::collection::vec("[a-h]=[0-9]{1,3}", 0..5), later in proptest::collection::vec("[p-z]=[0-9]", 0..3),
            own in proptest::option::of(0u64..2000), least in 1u64..1000,
        ) {
            let text = |list: &[String]| (!list.is_empty()).then(|| list.join(","));
            let mut before = theirs.clone();
            before.extend(own.map(|own| format!("i={own}")));
            let before = text(&before);
            let Some(ours) = (Want::Attribute { name: "i", least }).over(before.as_deref()) else { return Ok(()) };
            for element in &theirs {
                prop_assert!(elements(Some(&ours)).any(|e| e == element));
            }
            // Somebody adds theirs behind it; ours goes, and everything else is as if we had never been there.
            let mut now = vec![ours.clone()];
            now.extend(later.clone());
            let back = follow(ATTRIBUTES, &record(before.as_deref(), &ours), Some(&now.join(","))).before;
            let mut expected: Vec<String> = before.iter().cloned().collect();
            expected.extend(later);
            prop_assert_eq!(back, text(&expected));
        }
    }
}
