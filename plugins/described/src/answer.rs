//! What a service answered, as a document.

use lockstep_plugin_sdk::error::Error;
use lockstep_plugin_sdk::http::Reply;
use lockstep_plugin_sdk::http::answer::beginning;

use crate::Result;
use crate::manifest::request::Request;
use crate::protocol::Protocol;

#[derive(Debug)]
pub struct Answer {
    /// Without its body.
    pub reply: Reply,
    /// The JSON it is, or why it is none.
    text: Result<String>,
    /// Of the body as it came.
    pub beginning: String,
    pub is_empty: bool,
}

impl Answer {
    pub fn new(protocol: &dyn Protocol, request: &Request, mut reply: Reply) -> Self {
        let (beginning, is_empty) = (beginning(&reply.body), reply.body.trim_ascii().is_empty());
        let text = protocol.decode(request, &mut reply);
        reply.body = Vec::new();
        Self { reply, text, beginning, is_empty }
    }

    pub fn status(&self) -> u16 {
        self.reply.status
    }

    pub fn text(&self) -> Result<&str, Error> {
        self.text.as_deref().map_err(|error| (**error).clone())
    }

    /// Something for people, where data was expected.
    pub fn is_page(&self) -> bool {
        self.text.is_err() && self.beginning.trim_start().starts_with('<')
    }
}
