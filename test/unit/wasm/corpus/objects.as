// What AssemblyScript makes: objects on its collected heap, arrays, strings, maps, closures without captures.
class Node {
  left: Node | null = null;
  right: Node | null = null;
  constructor(public key: u32) {}
}

function insert(root: Node | null, key: u32): Node {
  if (root == null) return new Node(key);
  if (key < root.key) root.left = insert(root.left, key);
  else if (key > root.key) root.right = insert(root.right, key);
  return root;
}

function sum(node: Node | null, depth: u64): u64 {
  if (node == null) return 0;
  return node.key * depth + sum(node.left, depth + 1) + sum(node.right, depth + 1);
}

export function tree(seed: u32, n: u32): u64 {
  let root: Node | null = null;
  let state = seed;
  for (let i: u32 = 0; i < n % 500; i++) {
    state = state * 1664525 + 1013904223;
    root = insert(root, state >> 8);
  }
  return sum(root, 1);
}

export function strings(seed: u32, n: u32): u64 {
  let text = "";
  for (let i: u32 = 0; i < n % 100; i++) text += (seed ^ i).toString() + ",";
  const parts = text.split(",");
  parts.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  let hash: u64 = 7;
  for (let i = 0; i < parts.length; i++) {
    for (let j = 0; j < parts[i].length; j++) hash = hash * 31 + parts[i].charCodeAt(j);
  }
  return hash;
}

export function maps(seed: u32, n: u32): u64 {
  const map = new Map<u32, f64>();
  let state = seed;
  for (let i: u32 = 0; i < n % 800; i++) {
    state = state * 22695477 + 1;
    const key = (state >> 16) % 100;
    map.set(key, (map.has(key) ? map.get(key) : 0.5) * 1.25 + Math.sin(<f64>i));
  }
  const keys = map.keys();
  let total: f64 = 0;
  for (let i = 0; i < keys.length; i++) total += map.get(keys[i]) * keys[i];
  return reinterpret<u64>(total);
}

export function sieve(seed: u32, n: u32): u64 {
  const size = (n % 5000) + 10;
  const composite = new Uint8Array(size);
  let count: u64 = seed;
  for (let i: u32 = 2; i < size; i++) {
    if (composite[i]) continue;
    count = count * 3 + i;
    for (let j = i * i; j < size; j += i) composite[j] = 1;
  }
  return count;
}
