//! Our one entry in `mapRoles` of `kube-system/aws-auth`: added, changed and removed without touching anything else. Pure.
//!
//! One error in this text locks every node and every other role out of the cluster. So the text is edited by lines, never written anew:
//! foreign entries keep their bytes, with order, comments and unknown fields. Before, it must parse as aws-iam-authenticator parses it;
//! after, the list that it means must be the former list and exactly our entry more, less or changed. Otherwise nothing is written.
//!
//! **Which entry is ours** is said by a comment on its own first line, `# argocd-access.dev/owner: <uid>`. An annotation of the ConfigMap
//! would be lost to the next `kubectl replace` and says nothing to who reads the entry; ARN and username alone would take over an entry
//! that somebody has made for the same role. The comment is read by the YAML parser, so that one inside of a quoted text is none. Where a
//! tool has dropped the comments, our entry is nobody's: it is left, counts as kept by others, and the message says so. It gives nothing
//! by itself: rights come by the bindings of its group.

mod read;
mod tree;

use std::fmt;

use read::{Item, Items};

use super::arn;
use crate::api::OWNER_LABEL;
use crate::api::conditions::Reason;

/// The key of the ConfigMap.
pub const KEY: &str = "mapRoles";

/// An entry: a role, and the group that it has in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    arn: String,
    group: String,
}

impl Entry {
    /// An entry.
    ///
    /// # Errors
    /// When the ARN is not that of a role without a path, or the group is one of Kubernetes' own.
    pub fn new(role_arn: &str, group: &str) -> Result<Self, Refusal> {
        if !arn::is_plain_role(role_arn) {
            return Err(Refusal::NotARole(role_arn.to_owned()));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ":._@/+=-".contains(c);
        let is_good = !group.starts_with("system:") && group.starts_with(|c: char| c.is_ascii_alphanumeric()) && group.chars().all(is_plain);
        if !is_good || group.len() > 63 {
            return Err(Refusal::NotAGroup(group.to_owned()));
        }
        Ok(Self { arn: role_arn.to_owned(), group: group.to_owned() })
    }

    /// The role. It is the name of the user as well, as Argo CD's documentation has it.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The entry as text, for people who put it there themselves.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines("", "").join("\n") + "\n"
    }

    /// Its lines. All values are quoted: a group may look like a number, or end in a colon.
    fn lines(&self, indent: &str, mark: &str) -> [String; 4] {
        [
            format!("{indent}- rolearn: \"{}\"{mark}", self.arn),
            format!("{indent}  username: \"{}\"", self.arn),
            format!("{indent}  groups:"),
            format!("{indent}  - \"{}\"", self.group),
        ]
    }
}

/// What is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Nothing: it is as it should be.
    Unchanged,
    /// Nothing: somebody has made the same entry, and keeps it.
    External,
    /// This text.
    Set(String),
}

/// Why nothing is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The text does not parse, or not as aws-iam-authenticator would take it.
    Unparsable(String),
    /// It parses and is written in a way in which a single entry cannot be changed.
    NotEditable(String),
    /// Somebody else has an entry for the same role, which says something else.
    Conflict(String),
    /// More than one entry has our mark.
    MarkedTwice,
    /// Not the ARN of a role without a path.
    NotARole(String),
    /// Not a group that can be given.
    NotAGroup(String),
    /// Not the uid of an object.
    NotAnOwner(String),
}

impl Refusal {
    /// As a reason of the condition `AWSReady`.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Unparsable(_) | Self::NotEditable(_) => Reason::AwsAuthUnparsable,
            Self::Conflict(_) | Self::MarkedTwice => Reason::Conflict,
            Self::NotARole(_) | Self::NotAGroup(_) | Self::NotAnOwner(_) => Reason::Invalid,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unparsable(why) => write!(f, "mapRoles of kube-system/aws-auth is left alone, since it cannot be read: {why}"),
            Self::NotEditable(why) => {
                write!(f, "mapRoles of kube-system/aws-auth is left alone, since one entry of it cannot be changed by itself: {why}")
            }
            Self::Conflict(why) => write!(f, "kube-system/aws-auth has an entry of somebody else for this role, which is left alone: {why}"),
            Self::MarkedTwice => {
                write!(f, "more than one entry of kube-system/aws-auth has the comment of this object; remove it where it was copied to")
            }
            Self::NotARole(arn) => write!(f, "{arn:?} is not the ARN of a role without a path; with a path an entry of aws-auth never matches"),
            Self::NotAGroup(group) => write!(f, "{group:?} is not a group that can be given"),
            Self::NotAnOwner(owner) => write!(f, "{owner:?} is not the uid of an object"),
        }
    }
}

impl std::error::Error for Refusal {}

/// The text of `mapRoles` in the data of the ConfigMap.
///
/// # Errors
/// When a key is there that somebody may take for it: the authenticator reads only the one that is spelled so.
pub fn map_roles(data: &std::collections::BTreeMap<String, String>) -> Result<Option<&str>, Refusal> {
    match data.keys().find(|key| key.as_str() != KEY && key.eq_ignore_ascii_case(KEY)) {
        Some(other) => Err(Refusal::Unparsable(format!("its key {other:?} must be spelled {KEY}, or else it is not read at all"))),
        None => Ok(data.get(KEY).map(String::as_str)),
    }
}

/// What is to be written so that the object with this uid has exactly this entry, or none.
///
/// # Errors
/// When the text cannot be read or edited safely, or somebody else has an entry for the role.
pub fn edit(map_roles: Option<&str>, owner: &str, entry: Option<&Entry>) -> Result<Edit, Refusal> {
    if owner.is_empty() || !owner.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(Refusal::NotAnOwner(owner.to_owned()));
    }
    let text = read::text(map_roles);
    let items = Items::read(text)?;
    let mut marked = items.items.iter().enumerate().filter(|(_, item)| item.has(&mark(owner)));
    let (own, second) = (marked.next(), marked.next());
    if second.is_some() {
        return Err(Refusal::MarkedTwice);
    }
    let Some(entry) = entry else {
        return own.map_or(Ok(Edit::Unchanged), |(index, item)| {
            let after = remove(text, item)?;
            verified(after, &items.values_without(index))
        });
    };
    let others = items.items.iter().enumerate().filter(|(index, _)| own.is_none_or(|(own, _)| own != *index));
    let same: Vec<(usize, &Item)> = others.filter(|(_, item)| item.arn.as_deref().is_some_and(|arn| read::means(arn, entry.arn()))).collect();
    match same.as_slice() {
        [] => {}
        [(_, theirs)] if own.is_none() && theirs.is(entry) => return Ok(Edit::External),
        [(index, theirs), ..] => {
            let arn = theirs.arn.as_deref().unwrap_or_default();
            return Err(Refusal::Conflict(format!("entry {} is for {arn:?}; remove it, or set aws.mapping to None and keep it", index + 1)));
        }
    }
    match own {
        Some((_, item)) if item.is(entry) => Ok(Edit::Unchanged),
        Some((index, item)) => {
            let after = replace(text, item, &entry.lines(item.indent(text)?, &comment(owner)))?;
            items.values_with(index, entry).and_then(|wanted| verified(after, &wanted))
        }
        None => {
            let after = append(text, &entry.lines(items.indent(text)?, &comment(owner)));
            items.values_and(entry).and_then(|wanted| verified(after, &wanted))
        }
    }
}

fn mark(owner: &str) -> String {
    format!("{OWNER_LABEL}: {owner}")
}

fn comment(owner: &str) -> String {
    format!(" # {}", mark(owner))
}

/// The line ending that the text has.
fn ending(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

fn append(text: &str, lines: &[String]) -> String {
    let ending = ending(text);
    let lines = lines.join(ending);
    // Where the text has no line ending at its end, neither has our entry: so it can be taken back to the byte.
    if text.is_empty() || text.ends_with('\n') { format!("{text}{lines}{ending}") } else { format!("{text}{ending}{lines}") }
}

fn replace(text: &str, item: &Item, lines: &[String]) -> Result<String, Refusal> {
    let (before, own, after) = parts(text, item)?;
    let end = if own.ends_with('\n') { ending(text) } else { "" };
    Ok(format!("{before}{}{end}{after}", lines.join(ending(text))))
}

fn remove(text: &str, item: &Item) -> Result<String, Refusal> {
    let (before, own, after) = parts(text, item)?;
    let before = if own.ends_with('\n') { before } else { before.strip_suffix("\r\n").or_else(|| before.strip_suffix('\n')).unwrap_or(before) };
    Ok(format!("{before}{after}"))
}

fn parts<'a>(text: &'a str, item: &Item) -> Result<(&'a str, &'a str, &'a str), Refusal> {
    let lines = item.lines(text)?;
    let get = |range: (usize, usize)| text.get(range.0..range.1).ok_or_else(|| Refusal::NotEditable("an entry has no lines of its own".to_owned()));
    Ok((get((0, lines.start))?, get((lines.start, lines.end))?, get((lines.end, text.len()))?))
}

/// The text, if it means exactly this list.
fn verified(text: String, wanted: &[serde_yaml::Value]) -> Result<Edit, Refusal> {
    let broken = |why: &str| Refusal::NotEditable(format!("the change would {why}"));
    let after = Items::read(&text).map_err(|error| broken(&format!("make it unreadable ({error})")))?;
    if after.values != wanted {
        return Err(broken("change another entry, too"));
    }
    Ok(Edit::Set(text))
}
