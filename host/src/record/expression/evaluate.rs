//! Evaluates a checked expression on the values of one record, within a budget.

use std::sync::Arc;

use super::function::Function;
use super::operand::Operand;
use super::operator::Operator;
use super::scaled::Scaled;
use crate::record::{LogicalType, Value};

/// Steps one evaluation may take: about a tenth of a second. An ordinary expression takes a handful.
const STEPS_MAX: u64 = 2_000_000;

/// Bytes of text that count as one step.
const BYTES_PER_STEP: usize = 32;

/// Bytes a text may have that an expression makes.
pub const TEXT_BYTES_MAX: usize = 8 << 20;

/// Items a list may have.
pub const LIST_ITEMS_MAX: usize = 10_000;

/// Arguments of the function that has most.
pub const ARGUMENTS_MAX: usize = 3;

/// An expression whose names are resolved.
#[derive(Debug)]
pub enum Node {
    Literal(Operand),
    Variable(usize),
    /// A variable of `map` and its like.
    Local(usize),
    List(Vec<Node>),
    Call(&'static Function, Vec<Node>),
    Operator(Operator, Box<[Node; 2]>),
    Not(Box<Node>),
    Negate(Box<Node>),
    /// False as soon as one side is false, whatever is wrong with the other.
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    /// If, then, else; null counts as false.
    Choice(Box<[Node; 3]>),
    /// The first, or the second where that is null.
    Default(Box<[Node; 2]>),
    /// Adds an item to the list in a local.
    Push(usize, Box<Node>),
    /// Whether a loop goes on: unless this is false.
    GoesOn(Box<Node>),
    Loop(Box<Loop>),
}

/// What `all`, `exists`, `exists_one`, `filter` and `map` are made of.
#[derive(Debug)]
pub struct Loop {
    pub list: Node,
    pub item: usize,
    pub result: usize,
    pub start: Node,
    pub condition: Node,
    pub step: Node,
    pub end: Node,
}

/// One evaluation.
pub struct Evaluation<'a> {
    variables: &'a [(String, LogicalType)],
    bindings: &'a [Value],
    locals: Vec<Operand>,
    steps_left: u64,
}

type Outcome = Result<Operand, String>;

impl<'a> Evaluation<'a> {
    pub fn new(variables: &'a [(String, LogicalType)], bindings: &'a [Value], locals: usize) -> Self {
        Self { variables, bindings, locals: vec![Operand::Null; locals], steps_left: STEPS_MAX }
    }

    pub fn node(&mut self, node: &Node) -> Outcome {
        self.spend(1)?;
        match node {
            Node::Literal(operand) => Ok(operand.clone()),
            Node::Variable(at) => self.variable(*at),
            Node::Local(at) => self.locals.get(*at).cloned().ok_or_else(lost),
            Node::List(items) => self.list(items),
            Node::Call(function, arguments) => self.call(function, arguments),
            Node::Operator(operator, sides) => self.operator(*operator, sides),
            Node::Not(operand) => self.not(operand),
            Node::Negate(operand) => self.node(operand).and_then(negate),
            Node::And(sides) => self.decide(sides, false),
            Node::Or(sides) => self.decide(sides, true),
            Node::Choice(parts) => self.choice(parts),
            Node::Default(parts) => self.default(parts),
            Node::Push(list, item) => self.push(*list, item),
            Node::GoesOn(condition) => Ok(Operand::Bool(!matches!(self.node(condition), Ok(Operand::Bool(false))))),
            Node::Loop(parts) => self.run_loop(parts),
        }
    }

    fn spend(&mut self, steps: u64) -> Result<(), String> {
        self.steps_left = self.steps_left.saturating_sub(steps);
        match self.steps_left {
            0 => Err("the expression takes too many steps on this value".to_owned()),
            _ => Ok(()),
        }
    }

    fn variable(&mut self, at: usize) -> Outcome {
        let value = self.bindings.get(at).ok_or_else(lost)?;
        let (name, logical) = self.variables.get(at).ok_or_else(lost)?;
        let operand = Operand::of(value, *logical).map_err(|reason| format!("`{name}`: {reason}"))?;
        // Texts are shared, decimals are read.
        if let Operand::Decimal(_) = operand {
            self.spend(weight(&operand))?;
        }
        Ok(operand)
    }

    fn list(&mut self, items: &[Node]) -> Outcome {
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            list.push(listable(self.node(item)?)?);
        }
        Ok(Operand::List(Arc::new(list)))
    }

    fn call(&mut self, function: &Function, arguments: &[Node]) -> Outcome {
        let mut operands = [const { Operand::Null }; ARGUMENTS_MAX];
        for (slot, argument) in operands.iter_mut().zip(arguments) {
            *slot = self.node(argument)?;
        }
        let operands = operands.get(..arguments.len()).unwrap_or(&[]);
        if operands.iter().any(|operand| matches!(operand, Operand::Null)) {
            return Ok(Operand::Null);
        }
        self.spend(operands.iter().map(weight).sum())?;
        let result = (function.call)(operands).map_err(|reason| format!("{}: {reason}", function.name))?;
        self.checked(result)
    }

    fn operator(&mut self, operator: Operator, [left, right]: &[Node; 2]) -> Outcome {
        let (left, right) = (self.node(left)?, self.node(right)?);
        if matches!(left, Operand::Null) || matches!(right, Operand::Null) {
            let takes_null = matches!(operator, Operator::Equal | Operator::NotEqual | Operator::In);
            return if takes_null { operator.apply(&left, &right) } else { Ok(Operand::Null) };
        }
        // A search compares the one with every item of the other.
        let factor = if operator == Operator::In { weight(&right).max(1) } else { 1 };
        self.spend((weight(&left) + 1).saturating_mul(factor) + weight(&right))?;
        let result = operator.apply(&left, &right)?;
        self.checked(result)
    }

    /// Whatever is made is paid for, and has a size that others can bear.
    fn checked(&mut self, result: Operand) -> Outcome {
        self.spend(weight(&result))?;
        match &result {
            Operand::Text(text) if text.len() > TEXT_BYTES_MAX => Err(too_long()),
            Operand::Bytes(bytes) if bytes.len() > TEXT_BYTES_MAX => Err(too_long()),
            Operand::List(items) if items.len() > LIST_ITEMS_MAX => Err(too_many()),
            _ => Ok(result),
        }
    }

    fn not(&mut self, operand: &Node) -> Outcome {
        match self.node(operand)? {
            Operand::Null => Ok(Operand::Null),
            Operand::Bool(value) => Ok(Operand::Bool(!value)),
            other => Err(format!("`!` does not take {}", other.kind())),
        }
    }

    /// `&&` is decided by a false side, `||` by a true one; otherwise null or an error of either side shows.
    fn decide(&mut self, [left, right]: &[Node; 2], deciding: bool) -> Outcome {
        let left = self.node(left).and_then(truth);
        if let Ok(Some(value)) = left
            && value == deciding
        {
            return Ok(Operand::Bool(deciding));
        }
        let right = self.node(right).and_then(truth);
        match (left, right) {
            (_, Ok(Some(value))) if value == deciding => Ok(Operand::Bool(deciding)),
            (Err(reason), _) | (_, Err(reason)) => Err(reason),
            (Ok(None), _) | (_, Ok(None)) => Ok(Operand::Null),
            _ => Ok(Operand::Bool(!deciding)),
        }
    }

    fn choice(&mut self, [condition, yes, no]: &[Node; 3]) -> Outcome {
        match self.node(condition).and_then(truth)? {
            Some(true) => self.node(yes),
            Some(false) | None => self.node(no),
        }
    }

    fn default(&mut self, [value, other]: &[Node; 2]) -> Outcome {
        match self.node(value)? {
            Operand::Null => self.node(other),
            value => Ok(value),
        }
    }

    fn push(&mut self, list: usize, item: &Node) -> Outcome {
        let item = listable(self.node(item)?)?;
        let slot = self.locals.get_mut(list).ok_or_else(lost)?;
        let Operand::List(mut items) = std::mem::replace(slot, Operand::Null) else { return Err(lost()) };
        if items.len() >= LIST_ITEMS_MAX {
            return Err(too_many());
        }
        Arc::make_mut(&mut items).push(item);
        Ok(Operand::List(items))
    }

    fn run_loop(&mut self, parts: &Loop) -> Outcome {
        let items = match self.node(&parts.list)? {
            Operand::Null => return Ok(Operand::Null),
            Operand::List(items) => items,
            other => return Err(format!("{} has no items", other.kind())),
        };
        let start = self.node(&parts.start)?;
        self.set(parts.result, start)?;
        for item in items.iter() {
            self.set(parts.item, item.clone())?;
            if matches!(self.node(&parts.condition)?, Operand::Bool(false)) {
                break;
            }
            let result = self.node(&parts.step)?;
            self.set(parts.result, result)?;
        }
        self.node(&parts.end)
    }

    fn set(&mut self, local: usize, value: Operand) -> Result<(), String> {
        *self.locals.get_mut(local).ok_or_else(lost)? = value;
        Ok(())
    }
}

/// None is null.
fn truth(operand: Operand) -> Result<Option<bool>, String> {
    match operand {
        Operand::Null => Ok(None),
        Operand::Bool(value) => Ok(Some(value)),
        other => Err(format!("{} is neither true nor false", other.kind())),
    }
}

fn negate(operand: Operand) -> Outcome {
    match operand {
        Operand::Null => Ok(Operand::Null),
        Operand::Int(value) => {
            value.checked_neg().map(Operand::Int).ok_or_else(|| format!("`-({value})` is beyond 64 bits"))
        }
        Operand::Double(value) => Ok(Operand::Double(-value)),
        decimal @ Operand::Decimal(_) => Scaled::of(&decimal)?.negated(),
        other => Err(format!("`-` does not take {}", other.kind())),
    }
}

/// Lists of lists could grow without end by sharing their parts.
fn listable(item: Operand) -> Outcome {
    match item {
        Operand::List(_) => Err("a list holds no lists".to_owned()),
        item => Ok(item),
    }
}

fn weight(operand: &Operand) -> u64 {
    let bytes = match operand {
        Operand::Text(text) | Operand::Decimal(text) => text.len(),
        Operand::Bytes(bytes) => bytes.len(),
        Operand::List(items) => return items.iter().map(|item| 1 + weight(item)).sum(),
        _ => 0,
    };
    (bytes / BYTES_PER_STEP) as u64
}

pub fn too_long() -> String {
    format!("a text grows beyond {} MiB", TEXT_BYTES_MAX >> 20)
}

pub fn too_many() -> String {
    format!("a list grows beyond {LIST_ITEMS_MAX} items")
}

/// Compiling sees to it that every name has its value.
fn lost() -> String {
    "a variable has no value".to_owned()
}
