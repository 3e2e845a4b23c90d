//! Agents in Rust without the standard library: `caxton::agent!(on_message);` and a function
//! `fn on_message(message: &caxton::Message)`. One growing buffer holds the received message, the
//! space after it the message being written; nothing is allocated. A message is valid until the handler returns.
#![allow(dead_code)]

use core::arch::wasm32;

const HEADER_BYTES: usize = 64;
const FIELDS: usize = 10;
const PAGE_BYTES: usize = 65536;

/// The host functions of ABI v1. Those not called are left out of the module.
mod host {
    #[link(wasm_import_module = "caxton")]
    extern "C" {
        pub fn log(level: i32, ptr: *const u8, len: i32);
        pub fn send(ptr: *const u8, len: i32) -> i32;
        pub fn now() -> f64;
        pub fn random() -> i64;
        pub fn timer_set(id: i32, delay_ms: f64) -> i32;
        pub fn timer_cancel(id: i32) -> i32;
        pub fn state_get(key: *const u8, key_len: i32, out: *mut u8, out_cap: i32) -> i32;
        pub fn state_set(key: *const u8, key_len: i32, value: *const u8, value_len: i32) -> i32;
        pub fn state_delete(key: *const u8, key_len: i32) -> i32;
        pub fn state_next(key: *const u8, key_len: i32, out: *mut u8, out_cap: i32) -> i32;
    }
}

/// Why the host refused; the numbers of ABI v1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    Invalid = -1,
    QueueFull = -2,
    TooLarge = -3,
    TooManySends = -4,
    TooManyTimers = -5,
    StateFull = -6,
}

fn outcome(code: i32) -> Result<(), Refused> {
    match code {
        0 => Ok(()),
        -2 => Err(Refused::QueueFull),
        -3 => Err(Refused::TooLarge),
        -4 => Err(Refused::TooManySends),
        -5 => Err(Refused::TooManyTimers),
        -6 => Err(Refused::StateFull),
        _ => Err(Refused::Invalid),
    }
}

/// The byte of a performative on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Performative {
    Request,
    Inform,
    QueryIf,
    QueryRef,
    Propose,
    Cfp,
    AcceptProposal,
    RejectProposal,
    Agree,
    Refuse,
    Failure,
    NotUnderstood,
    Cancel,
    Subscribe,
    Confirm,
    Disconfirm,
}

/// Indexes of `Message::fields`, in wire order.
pub mod field {
    pub const SENDER: usize = 0;
    pub const RECEIVER: usize = 1;
    pub const CONVERSATION_ID: usize = 2;
    pub const REPLY_WITH: usize = 3;
    pub const IN_REPLY_TO: usize = 4;
    pub const REPLY_TO: usize = 5;
    pub const PROTOCOL: usize = 6;
    pub const LANGUAGE: usize = 7;
    pub const ONTOLOGY: usize = 8;
    pub const TRACE_CONTEXT: usize = 9;
}

/// Build one with `Message::to`; the host fills id, sender, creation time and trace context.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// The wire byte; compare with `Performative::Request as u8`.
    pub performative: u8,
    /// 1 low, 5 normal, 8 high, 10 critical.
    pub priority: u8,
    /// 0 at most once, 1 at least once, 2 exactly once.
    pub delivery: u8,
    pub id: [u8; 16],
    /// Unix milliseconds.
    pub created_at_ms: f64,
    /// Unix milliseconds; 0 for no deadline.
    pub reply_by_ms: f64,
    pub fields: [&'a [u8]; FIELDS],
    pub content: &'a [u8],
}

impl<'a> Message<'a> {
    pub fn to(receiver: &'a [u8], performative: Performative, content: &'a [u8]) -> Self {
        let mut fields: [&[u8]; FIELDS] = [&[]; FIELDS];
        fields[field::RECEIVER] = receiver;
        Message {
            performative: performative as u8,
            priority: 5,
            delivery: 1,
            id: [0; 16],
            created_at_ms: 0.0,
            reply_by_ms: 0.0,
            fields,
            content,
        }
    }

    pub fn is(&self, performative: Performative) -> bool {
        self.performative == performative as u8
    }

    /// Queues it; it leaves when the handler returns.
    pub fn send(&self) -> Result<(), Refused> {
        let mut total = HEADER_BYTES + self.content.len();
        for text in &self.fields {
            total += text.len();
        }
        let bytes = unsafe { core::slice::from_raw_parts_mut(room(scratch(), total), total) };
        bytes[..HEADER_BYTES].fill(0);
        bytes[0] = 1;
        bytes[1] = self.performative;
        bytes[2] = self.priority;
        bytes[3] = self.delivery;
        bytes[4..8].copy_from_slice(&(total as u32).to_le_bytes());
        bytes[32..40].copy_from_slice(&self.reply_by_ms.to_le_bytes());
        let mut at = HEADER_BYTES;
        for (i, text) in self.fields.iter().enumerate() {
            bytes[40 + 2 * i..42 + 2 * i].copy_from_slice(&(text.len() as u16).to_le_bytes());
            bytes[at..at + text.len()].copy_from_slice(text);
            at += text.len();
        }
        bytes[60..64].copy_from_slice(&(self.content.len() as u32).to_le_bytes());
        bytes[at..].copy_from_slice(self.content);
        outcome(unsafe { host::send(bytes.as_ptr(), total as i32) })
    }

    /// Answers to `reply_to`, or else to the sender, in the same conversation, protocol, language and
    /// ontology; `in_reply_to` is the message's `reply_with`, or else its id.
    pub fn reply(&self, performative: Performative, content: &[u8]) -> Result<(), Refused> {
        let id = uuid_text(&self.id);
        let to = if self.fields[field::REPLY_TO].is_empty() { field::SENDER } else { field::REPLY_TO };
        let mut reply = Message::to(self.fields[to], performative, content);
        reply.priority = self.priority;
        reply.delivery = self.delivery.min(1);
        for i in [field::CONVERSATION_ID, field::PROTOCOL, field::LANGUAGE, field::ONTOLOGY] {
            reply.fields[i] = self.fields[i];
        }
        let tag = self.fields[field::REPLY_WITH];
        reply.fields[field::IN_REPLY_TO] = if tag.is_empty() { &id } else { tag };
        reply.send()
    }
}

/// Levels 0 debug, 1 info, 2 warn, 3 error; `text` is UTF-8.
pub fn log(level: i32, text: &[u8]) {
    unsafe { host::log(level, text.as_ptr(), text.len() as i32) }
}

/// Unix milliseconds; the same during one call.
pub fn now() -> f64 {
    unsafe { host::now() }
}

pub fn random() -> i64 {
    unsafe { host::random() }
}

/// One shot: your exported `on_timer(id: i32)` is called after `delay_ms`.
pub fn set_timer(id: i32, delay_ms: f64) -> Result<(), Refused> {
    outcome(unsafe { host::timer_set(id, delay_ms) })
}

pub fn cancel_timer(id: i32) {
    unsafe { host::timer_cancel(id) };
}

/// Durable state: keys in byte order.
pub mod state {
    use super::{host, outcome, Refused};

    /// The value, when it is there and fits in `out`; `Err` with its length when it does not fit.
    pub fn get<'a>(key: &[u8], out: &'a mut [u8]) -> Option<Result<&'a [u8], usize>> {
        let length = unsafe { host::state_get(key.as_ptr(), key.len() as i32, out.as_mut_ptr(), out.len() as i32) };
        found(length, out)
    }

    pub fn set(key: &[u8], value: &[u8]) -> Result<(), Refused> {
        outcome(unsafe { host::state_set(key.as_ptr(), key.len() as i32, value.as_ptr(), value.len() as i32) })
    }

    pub fn remove(key: &[u8]) -> Result<(), Refused> {
        outcome(unsafe { host::state_delete(key.as_ptr(), key.len() as i32) })
    }

    /// The smallest key greater than `key` (of all, for an empty one).
    pub fn next<'a>(key: &[u8], out: &'a mut [u8]) -> Option<Result<&'a [u8], usize>> {
        let length = unsafe { host::state_next(key.as_ptr(), key.len() as i32, out.as_mut_ptr(), out.len() as i32) };
        found(length, out)
    }

    fn found(length: i32, out: &mut [u8]) -> Option<Result<&[u8], usize>> {
        if length < 0 {
            return None;
        }
        let length = length as usize;
        Some(if length <= out.len() { Ok(&out[..length]) } else { Err(length) })
    }
}

/// Exports `alloc` and `handle`, and sends each message to the function that it names.
#[macro_export]
macro_rules! agent {
    ($on_message:path) => {
        #[no_mangle]
        pub extern "C" fn alloc(len: i32) -> *mut u8 {
            $crate::caxton::receive_buffer(len)
        }

        #[no_mangle]
        pub extern "C" fn handle(ptr: *const u8, len: i32) {
            let bytes = unsafe { core::slice::from_raw_parts(ptr, len as usize) };
            $on_message(&$crate::caxton::read(bytes))
        }
    };
}

/// Where the received message goes: the beginning of the heap, which grows with the largest message.
pub fn receive_buffer(len: i32) -> *mut u8 {
    if len < 0 {
        wasm32::unreachable()
    }
    let start = heap_base();
    unsafe { SCRATCH_START = (start + len as usize + 15) & !15 };
    room(start, len as usize)
}

/// Reads a message that the host has checked.
pub fn read(bytes: &[u8]) -> Message<'_> {
    let mut fields: [&[u8]; FIELDS] = [&[]; FIELDS];
    let mut at = HEADER_BYTES;
    for (i, text) in fields.iter_mut().enumerate() {
        let length = u16::from_le_bytes([bytes[40 + 2 * i], bytes[41 + 2 * i]]) as usize;
        *text = &bytes[at..at + length];
        at += length;
    }
    let mut id = [0; 16];
    id.copy_from_slice(&bytes[8..24]);
    Message {
        performative: bytes[1],
        priority: bytes[2],
        delivery: bytes[3],
        id,
        created_at_ms: f64_at(bytes, 24),
        reply_by_ms: f64_at(bytes, 32),
        fields,
        content: &bytes[at..],
    }
}

/// Where the message being written goes: after the received one. An agent has one thread.
static mut SCRATCH_START: usize = 0;

fn scratch() -> usize {
    let start = unsafe { SCRATCH_START };
    if start == 0 { heap_base() } else { start }
}

fn heap_base() -> usize {
    extern "C" {
        static __heap_base: u8;
    }
    unsafe { &__heap_base as *const u8 as usize }
}

/// Makes sure that `len` bytes at `start` exist; traps when the memory limit forbids it.
fn room(start: usize, len: usize) -> *mut u8 {
    let end = match start.checked_add(len) {
        Some(end) => end,
        None => wasm32::unreachable(),
    };
    let have = wasm32::memory_size(0) * PAGE_BYTES;
    if end > have && wasm32::memory_grow(0, (end - have + PAGE_BYTES - 1) / PAGE_BYTES) == usize::MAX {
        wasm32::unreachable()
    }
    start as *mut u8
}

fn f64_at(bytes: &[u8], at: usize) -> f64 {
    let mut raw = [0; 8];
    raw.copy_from_slice(&bytes[at..at + 8]);
    f64::from_le_bytes(raw)
}

fn uuid_text(id: &[u8; 16]) -> [u8; 36] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (i, byte) in id.iter().enumerate() {
        if i == 4 || i == 6 || i == 8 || i == 10 {
            at += 1;
        }
        text[at] = DIGITS[(byte >> 4) as usize];
        text[at + 1] = DIGITS[(byte & 15) as usize];
        at += 2;
    }
    text
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    wasm32::unreachable()
}
