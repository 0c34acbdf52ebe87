//! Since when one of our two objects stands as it must: kept on the object itself, so that a restart of the operator does not wait again.
//! Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Where it is kept.
pub const ANNOTATION: &str = "argocd-access.dev/since";

/// The API server enforces a new policy about a second after it was written (0.9 s were seen, on a quiet machine).
const IN_FORCE_AFTER: jiff::SignedDuration = jiff::SignedDuration::from_secs(3);
/// A time that lies further ahead than two clocks may differ is not one of ours.
const TOO_LATE: jiff::SignedDuration = jiff::SignedDuration::from_mins(1);

/// When it was written, and the generation that it then got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    at: jiff::Timestamp,
    /// The first generation that counts.
    pub generation: i64,
}

impl std::fmt::Display for Since {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} generation {}", self.at, self.generation)
    }
}

impl Since {
    /// For an object that is made now.
    #[must_use]
    pub fn first(now: jiff::Timestamp) -> Self {
        Self { at: now, generation: 1 }
    }

    /// For an object that is written now, and whose spec changes with it or does not.
    #[must_use]
    pub fn after(meta: &ObjectMeta, changes: bool, now: jiff::Timestamp) -> Self {
        Self { at: now, generation: meta.generation.unwrap_or(0).saturating_add(i64::from(changes)) }
    }

    /// Reads it; `None` when there is none that can be believed.
    #[must_use]
    pub fn read(meta: &ObjectMeta, now: jiff::Timestamp) -> Option<Self> {
        let text = meta.annotations.as_ref()?.get(ANNOTATION)?;
        let (at, generation) = text.split_once(" generation ")?;
        let (at, generation) = (at.parse::<jiff::Timestamp>().ok()?, generation.parse().ok()?);
        // An object cannot have stood before it was made.
        let made = meta.creation_timestamp.as_ref().map_or(jiff::Timestamp::MIN, |t| t.0);
        let possible = at.duration_since(now) <= TOO_LATE && meta.generation.is_none_or(|g| generation <= g);
        possible.then(|| Self { at: at.max(made), generation })
    }

    /// From when on the API server enforces it.
    #[must_use]
    pub fn in_force(self) -> jiff::Timestamp {
        self.at.checked_add(IN_FORCE_AFTER).unwrap_or(jiff::Timestamp::MAX)
    }
}
