//! A guide as steps.

#[derive(Debug)]
pub struct Step {
    pub line: usize,
    pub block: Block,
}

#[derive(Debug)]
pub enum Block {
    File {
        path: String,
        text: String,
        is_added: bool,
    },
    /// Unseen by the reader.
    First(String),
    NotRun,
    Command {
        command: String,
        code: i32,
        shown: Vec<String>,
    },
}

/// The directive of a comment, and what it says.
fn comment(line: &str) -> Option<(&str, &str)> {
    line.trim().strip_prefix("<!--")?.strip_suffix("-->")?.trim().split_once(": ")
}

pub fn steps(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = (1..).zip(text.lines()).peekable();
    // What the last comment says of the next block.
    let (mut file, mut is_run) = (None, true);
    while let Some((line, text)) = lines.next() {
        match comment(text) {
            Some(("first", command)) => steps.push(Step { line, block: Block::First(command.to_owned()) }),
            Some(("file", path)) => file = Some((path.to_owned(), false)),
            Some(("add", path)) => file = Some((path.to_owned(), true)),
            Some(("not run", _)) => is_run = false,
            _ => {}
        }
        let Some(kind) = text.strip_prefix("```") else { continue };
        let body: Vec<(usize, &str)> = lines.by_ref().take_while(|(_, text)| !text.starts_with("```")).collect();
        match (file.take(), std::mem::replace(&mut is_run, true)) {
            (Some((path, is_added)), _) => {
                let text = body.iter().map(|(_, text)| format!("{text}\n")).collect();
                steps.push(Step { line, block: Block::File { path, text, is_added } });
            }
            (None, false) => steps.push(Step { line, block: Block::NotRun }),
            (None, true) if kind == "console" => steps.extend(commands(&body)),
            _ => {}
        }
    }
    steps
}

fn commands(body: &[(usize, &str)]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (line, text) in body {
        if let Some(command) = text.strip_prefix("$ ") {
            let code = command.rsplit_once("# exit code ").map_or(0, |(_, code)| code.trim().parse().unwrap());
            let block = Block::Command { command: command.to_owned(), code, shown: Vec::new() };
            steps.push(Step { line: *line, block });
        } else if let Some(Step { block: Block::Command { shown, .. }, .. }) = steps.last_mut() {
            shown.push((*text).to_owned());
        } else {
            panic!("line {line}: `{text}` comes before a command");
        }
    }
    steps
}
