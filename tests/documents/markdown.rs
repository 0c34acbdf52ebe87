//! Reading the documents: their blocks of code, their links, their headings.

use std::{collections::BTreeSet, path::Path};

use crate::support::tools;

/// A document of the repository.
pub struct Document {
    /// Its path from the root of the repository.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A fenced block of code.
pub struct Block {
    /// `bash`, `yaml`, `text` and the like.
    pub language: String,
    /// What stands behind the language.
    pub attributes: String,
    /// Its lines.
    pub text: String,
    /// The number of its first line.
    pub line: usize,
}

/// Every Markdown document for readers of the project.
pub fn documents() -> Vec<Document> {
    let root = tools::repository();
    let mut paths = [".github/SECURITY.md", "CHANGELOG.md", "README.md"].map(str::to_owned).to_vec();
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("read {}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                paths.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    paths.sort();
    paths.iter().map(|path| document(path)).collect()
}

/// One of them.
pub fn document(path: &str) -> Document {
    let text = std::fs::read_to_string(tools::repository().join(path)).unwrap_or_else(|error| panic!("read {path}: {error}"));
    Document { path: path.to_owned(), text }
}

impl Document {
    /// The blocks of code, in their order.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut open = false;
        for (index, line) in self.text.lines().enumerate() {
            if let Some(info) = line.trim_start().strip_prefix("```") {
                open = !open;
                if open {
                    let (language, attributes) = info.trim().split_once(' ').unwrap_or((info.trim(), ""));
                    let (language, attributes) = (language.to_owned(), attributes.to_owned());
                    blocks.push(Block { language, attributes, text: String::new(), line: index + 2 });
                }
            } else if open {
                let block = blocks.last_mut().unwrap();
                block.text.push_str(line);
                block.text.push('\n');
            }
        }
        assert!(!open, "{}: the last block of code has no end", self.path);
        blocks
    }

    /// Its lines without those of blocks of code.
    pub fn prose(&self) -> String {
        let mut open = false;
        let outside = self.text.lines().filter(|line| {
            let fence = line.trim_start().starts_with("```");
            open ^= fence;
            !open && !fence
        });
        outside.collect::<Vec<_>>().join("\n")
    }

    /// Where its links lead.
    pub fn links(&self) -> Vec<String> {
        let prose = self.prose();
        prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
    }

    /// What stands in backticks in its prose.
    pub fn quoted(&self) -> Vec<String> {
        self.prose().split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
    }

    /// The anchors of its headings.
    pub fn anchors(&self) -> BTreeSet<String> {
        let prose = self.prose();
        prose.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#').trim())).collect()
    }

    /// The path of something that a link of this document names.
    pub fn beside(&self, target: &str) -> std::path::PathBuf {
        let folder = Path::new(&self.path).parent().unwrap_or(Path::new(""));
        tools::repository().join(folder).join(target)
    }
}

/// As GitHub makes it of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}
