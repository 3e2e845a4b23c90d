//! What Rust's standard library makes: allocation, formatting, maps, closures, trait objects, slices.
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

struct Generator(u32);
impl Generator {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1664525).wrapping_add(1013904223);
        self.0 >> 8
    }
}

fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf29ce484222325, |h, b| (h ^ *b as u64).wrapping_mul(0x100000001b3))
}

#[no_mangle]
pub extern "C" fn maps(seed: u32, n: u32) -> u64 {
    let mut generator = Generator(seed);
    let mut map = BTreeMap::new();
    let mut counts: HashMap<u32, u32, std::hash::BuildHasherDefault<std::collections::hash_map::DefaultHasher>> =
        HashMap::default();
    for i in 0..n % 2000 {
        let key = generator.next() % 500;
        map.insert(key, i);
        *counts.entry(key % 37).or_insert(0) += 1;
        if i % 3 == 0 {
            map.remove(&(generator.next() % 500));
        }
    }
    let mut text = String::new();
    for (key, value) in &map {
        write!(text, "{}={:x};", key, value).unwrap();
    }
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    digest(text.as_bytes()) ^ sorted.iter().fold(0u64, |h, (k, v)| h.wrapping_mul(31).wrapping_add((k * 1000 + v) as u64))
}

trait Shape {
    fn area(&self) -> f64;
}
struct Circle(f64);
struct Square(f64);
impl Shape for Circle {
    fn area(&self) -> f64 {
        self.0 * self.0 * std::f64::consts::PI
    }
}
impl Shape for Square {
    fn area(&self) -> f64 {
        self.0 * self.0
    }
}

#[no_mangle]
pub extern "C" fn shapes(seed: u32, n: u32) -> f64 {
    let mut generator = Generator(seed);
    let shapes: Vec<Box<dyn Shape>> = (0..n % 300)
        .map(|_| -> Box<dyn Shape> {
            let size = (generator.next() % 100) as f64 / 7.0;
            if generator.next() % 2 == 0 { Box::new(Circle(size)) } else { Box::new(Square(size)) }
        })
        .collect();
    shapes.iter().map(|shape| shape.area().sqrt()).sum()
}

#[no_mangle]
pub extern "C" fn words(seed: u32, n: u32) -> u64 {
    let mut generator = Generator(seed);
    let text: String = (0..n % 1000)
        .map(|_| match generator.next() % 6 {
            0 => ' ',
            1 => 'ä',
            k => (b'a' + (k * 3) as u8) as char,
        })
        .collect();
    let mut words: Vec<String> = text.split_whitespace().map(|word| word.to_uppercase()).collect();
    words.sort();
    words.dedup();
    digest(words.join(",").as_bytes()) ^ (format!("{:>8.3}|{:?}", seed as f32 / 3.0, words.first())).len() as u64
}

#[no_mangle]
pub extern "C" fn wide(seed: u32, n: u32) -> u64 {
    let mut x: u128 = (seed as u128) << 64 | 0x1234_5678_9abc_def0;
    let mut sum = 0u64;
    for i in 0..n % 200 {
        x = x.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(i as u128);
        sum = sum.wrapping_add((x >> (x >> 122)) as u64).rotate_left(i % 64) ^ ((x as f64 / 3.0) as u64);
        sum = sum.wrapping_add((x as u64).leading_zeros() as u64 + ((x / (i as u128 + 3)) as u64));
    }
    sum
}
