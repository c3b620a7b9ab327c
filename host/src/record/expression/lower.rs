//! Turns what the parser read into something that can be evaluated: names resolved, arguments checked.

use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue};
use cel::parser::{ParseErrors, PrattParser};

use super::evaluate::{ARGUMENTS_MAX, Loop, Node};
use super::function::{self, Function};
use super::operand::{Kind, Operand};
use super::operator::Operator;
use super::{ExpressionError, TEXT_BYTES_MAX};
use crate::error::nearest;
use crate::record::LogicalType;

/// How deep the parser goes into brackets; it recurses.
const BRACKETS_MAX: u16 = 32;

/// `?` an expression may have: the parser recurses for each without counting.
const CHOICES_MAX: usize = 64;

/// How deep the parts of an expression may be nested; evaluating recurses.
const DEPTH_MAX: usize = 100;

/// A checked expression.
pub struct Lowered {
    pub root: Node,
    pub kind: Kind,
    pub locals: usize,
    /// Places of the variables that are looked at.
    pub used: BTreeSet<usize>,
}

pub fn lower(text: &str, variables: &[(&str, LogicalType)]) -> Result<Lowered, ExpressionError> {
    check_size(text)?;
    let parser = PrattParser::new().max_recursion_depth(BRACKETS_MAX);
    let parsed = parser.parse(text).map_err(|errors| syntax_error(text, &errors))?;
    let mut lowering = Lowering { text, variables, scopes: Vec::new(), locals: 0, used: BTreeSet::new(), depth: 0 };
    let (root, kind) = lowering.node(&parsed)?;
    Ok(Lowered { root, kind, locals: lowering.locals, used: lowering.used })
}

fn check_size(text: &str) -> Result<(), ExpressionError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(ExpressionError::TooBig { how: "long", max: format!("{TEXT_BYTES_MAX} bytes") });
    }
    if text.bytes().filter(|byte| *byte == b'?').count() > CHOICES_MAX {
        return Err(ExpressionError::TooBig { how: "nested", max: format!("{CHOICES_MAX} question marks") });
    }
    Ok(())
}

fn syntax_error(text: &str, errors: &ParseErrors) -> ExpressionError {
    let Some(error) = errors.errors.first() else {
        return ExpressionError::Syntax { column: 1, reason: "it cannot be read".to_owned() };
    };
    // The parser knows no place where it gave up for the depth of the brackets.
    if error.pos.0 <= 0 {
        return ExpressionError::TooBig { how: "nested", max: format!("{BRACKETS_MAX} brackets in each other") };
    }
    let reason = error.msg.trim_start_matches("Syntax error: ").replace('\'', "`").replace("<EOF>", "end");
    ExpressionError::Syntax { column: column(text, error.pos), reason }
}

/// Characters from the start of the text, whose lines the parser counts from 1, and in them bytes from 1.
fn column(text: &str, (line, byte): (isize, isize)) -> usize {
    let lines_before = usize::try_from(line - 1).unwrap_or(0);
    let before: usize = text.split_inclusive('\n').take(lines_before).map(str::len).sum();
    let offset = before + usize::try_from(byte - 1).unwrap_or(0);
    1 + text.char_indices().take_while(|(at, _)| *at < offset).count()
}

type Outcome = Result<(Node, Kind), ExpressionError>;

struct Lowering<'a> {
    text: &'a str,
    variables: &'a [(&'a str, LogicalType)],
    /// Variables of `map` and its like, by their place; the innermost last.
    scopes: Vec<String>,
    locals: usize,
    used: BTreeSet<usize>,
    depth: usize,
}

impl Lowering<'_> {
    fn node(&mut self, expression: &IdedExpr) -> Outcome {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ExpressionError::TooBig { how: "nested", max: format!("{DEPTH_MAX} levels") });
        }
        let result = match &expression.expr {
            Expr::Literal(literal) => self::literal(literal),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(_) => self.dotted(expression),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => self.list(&list.elements),
            Expr::Comprehension(parts) => self.comprehension(parts),
            Expr::Map(_) | Expr::Struct(_) => unsupported("maps"),
            Expr::Unspecified => unsupported("empty parts"),
        };
        self.depth -= 1;
        result
    }

    fn nodes<const N: usize>(&mut self, expressions: &[IdedExpr]) -> Result<([Node; N], [Kind; N]), ExpressionError> {
        let mut nodes = Vec::with_capacity(N);
        let mut kinds = [Kind::Any; N];
        for (expression, slot) in expressions.iter().zip(kinds.iter_mut()) {
            let (node, kind) = self.node(expression)?;
            *slot = kind;
            nodes.push(node);
        }
        let nodes = nodes.try_into().map_err(|_| ExpressionError::Unsupported { what: "such operator" })?;
        Ok((nodes, kinds))
    }

    fn variable(&mut self, name: &str) -> Outcome {
        if let Some(local) = self.scopes.iter().rposition(|scope| scope == name) {
            return Ok((Node::Local(local), Kind::Any));
        }
        let found = self.variables.iter().enumerate().find(|(_, (known, _))| *known == name);
        let Some((at, (_, logical))) = found else { return Err(self.unknown_variable(name)) };
        self.used.insert(at);
        Ok((Node::Variable(at), Kind::of(*logical)))
    }

    fn unknown_variable(&self, name: &str) -> ExpressionError {
        let known = self.variables.iter().map(|(name, _)| *name);
        ExpressionError::UnknownVariable {
            name: name.to_owned(),
            column: column_of(self.text, name),
            nearest: nearest(name, known.clone()).map(str::to_owned),
            known: known.map(str::to_owned).collect(),
        }
    }

    /// `a.b` is the variable of that name: values have no parts.
    fn dotted(&mut self, expression: &IdedExpr) -> Outcome {
        match dotted_name(expression) {
            Some(name) => self.variable(&name),
            None => unsupported("parts of values, and no `has`: compare with `null`"),
        }
    }

    fn list(&mut self, items: &[IdedExpr]) -> Outcome {
        let mut nodes = Vec::with_capacity(items.len());
        for item in items {
            let (node, kind) = self.node(item)?;
            if kind == Kind::List {
                return unsupported("lists of lists");
            }
            nodes.push(node);
        }
        Ok((Node::List(nodes), Kind::List))
    }

    fn call(&mut self, call: &CallExpr) -> Outcome {
        let name = call.func_name.as_str();
        if let Some(operator) = Operator::by_name(name) {
            return self.operator(operator, &call.args);
        }
        match name {
            "_&&_" => self.logic(&call.args, "&&", Node::And),
            "_||_" => self.logic(&call.args, "||", Node::Or),
            "!_" => self.not(&call.args),
            "-_" => self.negate(&call.args),
            "_?_:_" => self.choice(&call.args),
            "@not_strictly_false" => {
                let ([node], _) = self.nodes(&call.args)?;
                Ok((Node::GoesOn(Box::new(node)), Kind::Bool))
            }
            _ => self.function(call),
        }
    }

    fn operator(&mut self, operator: Operator, arguments: &[IdedExpr]) -> Outcome {
        if let Some(push) = self.push(operator, arguments)? {
            return Ok((push, Kind::List));
        }
        let (nodes, [left, right]) = self.nodes(arguments)?;
        let kind = operator.result_kind(left, right).ok_or_else(|| ExpressionError::ArgumentTypes {
            name: format!("`{}`", operator.symbol()),
            found: format!("{left} and {right}"),
        })?;
        Ok((Node::Operator(operator, Box::new(nodes)), kind))
    }

    /// `result + [item]`, as `map` and `filter` are written out, must not copy the list each time.
    fn push(&mut self, operator: Operator, arguments: &[IdedExpr]) -> Result<Option<Node>, ExpressionError> {
        let [IdedExpr { expr: Expr::Ident(name), .. }, IdedExpr { expr: Expr::List(list), .. }] = arguments else {
            return Ok(None);
        };
        let (Operator::Add, RESULT, [item]) = (operator, name.as_str(), list.elements.as_slice()) else {
            return Ok(None);
        };
        let Some(local) = self.scopes.iter().rposition(|scope| scope == RESULT) else { return Ok(None) };
        let (item, _) = self.node(item)?;
        Ok(Some(Node::Push(local, Box::new(item))))
    }

    fn logic(&mut self, sides: &[IdedExpr], symbol: &str, node: fn(Box<[Node; 2]>) -> Node) -> Outcome {
        let (nodes, kinds) = self.nodes(sides)?;
        kinds.iter().try_for_each(|kind| check_condition(*kind, symbol))?;
        Ok((node(Box::new(nodes)), Kind::Bool))
    }

    fn not(&mut self, operand: &[IdedExpr]) -> Outcome {
        let ([node], [kind]) = self.nodes(operand)?;
        check_condition(kind, "!")?;
        Ok((Node::Not(Box::new(node)), Kind::Bool))
    }

    fn negate(&mut self, operand: &[IdedExpr]) -> Outcome {
        let ([node], [kind]) = self.nodes(operand)?;
        if kind.is_known() && !kind.is_number() {
            return Err(ExpressionError::ArgumentTypes { name: "`-`".to_owned(), found: kind.to_string() });
        }
        Ok((Node::Negate(Box::new(node)), kind))
    }

    fn choice(&mut self, parts: &[IdedExpr]) -> Outcome {
        let (nodes, [condition, yes, no]) = self.nodes(parts)?;
        check_condition(condition, "?")?;
        Ok((Node::Choice(Box::new(nodes)), common_kind(yes, no)))
    }

    fn function(&mut self, call: &CallExpr) -> Outcome {
        let name = call.func_name.as_str();
        let mut arguments = Vec::with_capacity(ARGUMENTS_MAX);
        let mut kinds = Vec::with_capacity(ARGUMENTS_MAX);
        let known = function::by_name(name);
        if known.is_none() && name != function::DEFAULT {
            return Err(self.unknown_function(name));
        }
        for argument in call.target.as_deref().into_iter().chain(&call.args) {
            let (node, kind) = self.node(argument)?;
            arguments.push(node);
            kinds.push(kind);
        }
        match known {
            Some(function) => {
                let kind = check_arguments(function, &kinds)?;
                Ok((Node::Call(function, arguments), kind))
            }
            None => default(arguments, &kinds),
        }
    }

    fn unknown_function(&self, name: &str) -> ExpressionError {
        ExpressionError::UnknownFunction {
            name: name.to_owned(),
            column: column_of(self.text, name),
            nearest: nearest(name, function::names()).map(str::to_owned),
        }
    }

    /// The parser has written `map` and its like out as loops over a list.
    fn comprehension(&mut self, parts: &ComprehensionExpr) -> Outcome {
        let (list, kind) = self.node(&parts.iter_range)?;
        if kind.is_known() && kind != Kind::List {
            return Err(ExpressionError::ArgumentTypes {
                name: "a list's function".to_owned(),
                found: kind.to_string(),
            });
        }
        let (start, start_kind) = self.node(&parts.accu_init)?;
        let (item, result) = (self.scopes.len(), self.scopes.len() + 1);
        self.scopes.extend([parts.iter_var.clone(), parts.accu_var.clone()]);
        self.locals = self.locals.max(self.scopes.len());
        let ([condition, step], _) = self.nodes(&[parts.loop_cond.clone(), parts.loop_step.clone()])?;
        let (end, end_kind) = self.node(&parts.result)?;
        self.scopes.truncate(item);
        let kind = if end_kind.is_known() { end_kind } else { start_kind };
        Ok((Node::Loop(Box::new(Loop { list, item, result, start, condition, step, end })), kind))
    }
}

/// What the parser calls the result of a loop.
const RESULT: &str = "@result";

fn unsupported(what: &'static str) -> Outcome {
    Err(ExpressionError::Unsupported { what })
}

fn literal(literal: &LiteralValue) -> Outcome {
    let operand = match literal {
        LiteralValue::Boolean(value) => Operand::Bool(*value.inner()),
        LiteralValue::Bytes(bytes) => Operand::Bytes(bytes.inner().into()),
        LiteralValue::Double(value) => Operand::Double(*value.inner()),
        LiteralValue::Int(value) => Operand::Int(*value.inner()),
        LiteralValue::Null => Operand::Null,
        LiteralValue::String(text) => Operand::text(text.inner()),
        LiteralValue::UInt(_) => return unsupported("unsigned numbers"),
    };
    let kind = operand.kind();
    Ok((Node::Literal(operand), kind))
}

fn dotted_name(expression: &IdedExpr) -> Option<String> {
    match &expression.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => Some(format!("{}.{}", dotted_name(&select.operand)?, select.field)),
        _ => None,
    }
}

fn check_condition(kind: Kind, symbol: &str) -> Result<(), ExpressionError> {
    match kind {
        Kind::Bool | Kind::Any | Kind::Null => Ok(()),
        kind => Err(ExpressionError::ArgumentTypes { name: format!("`{symbol}`"), found: kind.to_string() }),
    }
}

/// What either of two can be.
fn common_kind(left: Kind, right: Kind) -> Kind {
    match (left, right) {
        (Kind::Null, kind) | (kind, Kind::Null) => kind,
        (left, right) if left == right => left,
        _ => Kind::Any,
    }
}

fn default(arguments: Vec<Node>, kinds: &[Kind]) -> Outcome {
    let found = arguments.len();
    let (Ok(arguments), [value, other]) = (<[Node; 2]>::try_from(arguments), kinds) else {
        return Err(ExpressionError::ArgumentCount { name: function::DEFAULT.into(), found, expected: "2".into() });
    };
    Ok((Node::Default(Box::new(arguments)), common_kind(*value, *other)))
}

fn check_arguments(function: &Function, kinds: &[Kind]) -> Result<Kind, ExpressionError> {
    let (least, most) = (function.required, function.parameters.len());
    if !(least..=most).contains(&kinds.len()) {
        let expected = if least == most { least.to_string() } else { format!("{least} to {most}") };
        return Err(ExpressionError::ArgumentCount { name: function.name.into(), found: kinds.len(), expected });
    }
    let wrong = kinds.iter().zip(function.parameters).find(|(kind, taken)| kind.is_known() && !taken.contains(kind));
    match (wrong, function.result) {
        (Some((kind, _)), _) => {
            Err(ExpressionError::ArgumentTypes { name: format!("`{}`", function.name), found: kind.to_string() })
        }
        (None, Kind::Any) => Ok(kinds.first().copied().unwrap_or(Kind::Any)),
        (None, kind) => Ok(kind),
    }
}

/// The first place of a name outside of quotes.
fn column_of(text: &str, name: &str) -> usize {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut quote = None;
    for (column, (at, c)) in text.char_indices().enumerate() {
        match quote {
            Some(open) if open == c => quote = None,
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None => {
                let (before, here) = text.split_at_checked(at).unwrap_or((text, ""));
                let rest = here.strip_prefix(name);
                if rest.is_some_and(|rest| !rest.starts_with(is_part)) && !before.ends_with(is_part) {
                    return column + 1;
                }
            }
            Some(_) => {}
        }
    }
    1
}
