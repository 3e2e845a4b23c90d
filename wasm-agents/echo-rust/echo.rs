//! Answers every message that is not itself a reply with its own content.
#![no_std]

#[path = "../sdk/rust/caxton.rs"]
mod caxton;

use caxton::{field, Message, Performative};

fn on_message(message: &Message) {
    if message.fields[field::IN_REPLY_TO].is_empty() {
        let _ = message.reply(Performative::Inform, message.content);
    }
}

agent!(on_message);
