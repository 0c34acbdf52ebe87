//! The before-image: which values of a shared object we changed, and what they were. It is kept in an annotation on that very object,
//! written in the same request as the change. Pure.
//!
//! It is untrusted input: anybody who may edit the object may edit it. So it is bound to the object's uid, checked as a whole, and used
//! only for fields that the caller asks for by name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The annotation that holds it.
pub const ANNOTATION: &str = "argocd-access.dev/before";

/// What is known of one changed value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The value before our change; `None`: it was absent, which is not the same as empty.
    pub before: Option<String>,
    /// The value that we wrote.
    pub ours: String,
    /// When we wrote it, RFC 3339 in whole seconds.
    pub at: String,
    /// The memory was lost once, so that `before` is not what was there but what is safe: nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
}

/// The changed values of one object, by field (for example `data/exec.enabled`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// By field.
    pub fields: BTreeMap<String, Record>,
}

/// The annotation's text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    uid: String,
    hash: String,
    fields: BTreeMap<String, Record>,
}

/// What an annotation turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// There is none.
    Absent,
    /// It is ours and whole.
    Whole(Before),
    /// It was made for another object, changed by hand, or is not readable: nothing in it is believed.
    Spoilt,
}

impl Before {
    /// Reads the annotation of the object with this uid.
    #[must_use]
    pub fn read(text: Option<&str>, uid: &str) -> Reading {
        let Some(text) = text else { return Reading::Absent };
        match serde_json::from_str::<Text>(text) {
            Ok(t) if t.uid == uid && t.hash == hash(uid, &t.fields) => Reading::Whole(Self { fields: t.fields }),
            _ => Reading::Spoilt,
        }
    }

    /// The annotation's text. An empty memory has one, too: it says that nothing is ours.
    #[must_use]
    pub fn write(&self, uid: &str) -> Option<String> {
        let text = Text { uid: uid.to_owned(), hash: hash(uid, &self.fields), fields: self.fields.clone() };
        serde_json::to_string(&text).ok()
    }
}

/// FNV-1a, 64 bits: it tells a cut or hand-edited text from a whole one. It is no signature.
fn hash(uid: &str, fields: &BTreeMap<String, Record>) -> String {
    let text = serde_json::to_string(&(uid, fields)).unwrap_or_default();
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Before {
        let record = Record { before: None, ours: "true".to_owned(), at: "2026-01-01T00:00:00Z".to_owned(), lost: false };
        Before { fields: BTreeMap::from([("data/exec.enabled".to_owned(), record)]) }
    }

    #[test]
    fn what_is_written_is_read_back_for_the_same_object_only() {
        let text = sample().write("uid-1").unwrap();
        assert_eq!(Before::read(Some(&text), "uid-1"), Reading::Whole(sample()));
        assert_eq!(Before::read(Some(&text), "uid-2"), Reading::Spoilt);
    }

    #[test]
    fn a_text_changed_by_hand_is_not_believed() {
        let text = sample().write("u").unwrap();
        assert_eq!(Before::read(Some(&text.replace("true", "evil")), "u"), Reading::Spoilt);
        assert_eq!(Before::read(Some(&text.replace("\"hash\"", "\"more\":1,\"hash\"")), "u"), Reading::Spoilt);
        assert_eq!(Before::read(Some("{"), "u"), Reading::Spoilt);
        assert_eq!(Before::read(None, "u"), Reading::Absent);
    }

    #[test]
    fn absent_and_empty_are_told_apart() {
        let mut b = sample();
        b.fields.get_mut("data/exec.enabled").unwrap().before = Some(String::new());
        let text = b.write("u").unwrap();
        assert_eq!(Before::read(Some(&text), "u"), Reading::Whole(b));
        let nothing = Before::default().write("u").unwrap();
        assert_eq!(Before::read(Some(&nothing), "u"), Reading::Whole(Before::default()));
    }
}
