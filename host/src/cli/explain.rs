//! `explain`: the page of an error code.

use clap::Args;
use serde_json::json;

use super::output::{Align, Exit, Table};
use super::{CliError, Reply};
use crate::error::nearest;
use crate::error::{Class, Code, Result, codes};

mod pages;
mod plugins;

/// Explain an error code, or list all of them
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lockstep explain LS0203\n  lockstep explain 203\n  lockstep explain odata.no-set\n  lockstep explain"
)]
pub struct ExplainArgs {
    /// As in `error[LS0203]`, or a plugin's own, as `detail` shows it
    #[arg(value_name = "CODE")]
    pub code: Option<String>,
}

pub fn run(args: &ExplainArgs) -> Result<Reply> {
    match &args.code {
        None => Ok(list()),
        Some(name) => match plugins::find(name) {
            Some(section) => Ok(explain_section(name.trim(), section)),
            None => explain(find(name)?),
        },
    }
}

fn list() -> Reply {
    let mut table = Table::new(&[("code", Align::Left), ("exit", Align::Right), ("what it means", Align::Left)]);
    for code in codes::ALL {
        table.row([code.id.to_owned(), exit(code).to_string(), code.title.to_owned()]);
    }
    let result =
        codes::ALL.iter().map(|code| json!({"code": code.id, "exit": exit(code), "title": code.title})).collect();
    let more = "A plugin's own codes, such as `odata.no-set`, are explained in the same way.".to_owned();
    Reply::done(vec![table.into(), more.into()], result)
}

/// What a plugin says comes with a code of ours, which says what was done about it.
fn explain_section(name: &str, section: plugins::Section) -> Reply {
    let page = format!("# {name}\n\n{}\n", section.text);
    let result = json!({"code": section.code, "page": page});
    Reply::done(vec![page.into()], result)
}

fn explain(code: &'static Code) -> Result<Reply> {
    let page = pages::of(code).ok_or_else(|| unknown(code.id))?;
    let result = json!({"code": code.id, "exit": exit(code), "title": code.title, "page": page});
    Ok(Reply::done(vec![page.into()], result))
}

/// Also without letters and zeros in front: `203`.
fn find(name: &str) -> Result<&'static Code> {
    let digits = name.trim().trim_start_matches(['l', 'L', 's', 'S']);
    let id = format!("LS{digits:0>4}");
    Ok(codes::find(&id).ok_or_else(|| unknown(name))?)
}

fn unknown(name: &str) -> CliError {
    let known = codes::ALL.iter().map(|code| code.id).chain(plugins::all().map(|section| section.code));
    let nearest = nearest(name, known);
    CliError::UnknownCode { name: name.to_owned(), nearest }
}

/// What a command ends with if this is all that happened.
fn exit(code: &Code) -> u8 {
    match code.class {
        Class::User => Exit::Usage,
        Class::Environment => Exit::Environment,
        Class::Data | Class::Plugin | Class::Bug => Exit::Attention,
    }
    .code()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: Option<&str>) {
        assert_eq!(find(name).ok().map(|code| code.id), expected, "{name}");
    }

    #[test]
    fn codes_are_found_however_they_are_written() {
        check("LS0203", Some("LS0203"));
        check("ls0203", Some("LS0203"));
        check("0203", Some("LS0203"));
        check("203", Some("LS0203"));
        check("LS9998", None);
        check("", None);
        check("nonsense", None);
        assert_eq!(find("LS0293").unwrap_err().hints().len(), 1);
    }

    #[test]
    fn the_list_and_the_pages_are_whole() {
        assert_eq!(list().result.as_array().unwrap().len(), codes::ALL.len());
        for code in codes::ALL {
            assert_eq!(explain(code).unwrap().result["exit"], exit(code));
        }
    }

    #[test]
    fn the_exit_code_is_that_of_errors() {
        for code in codes::ALL {
            let error = crate::Error::from(crate::project::ProjectErrors::new(Vec::new()));
            if std::ptr::eq(error.code(), *code) {
                assert_eq!(error.exit_code(), exit(code));
            }
        }
    }
}
