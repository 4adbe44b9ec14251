// Which bytes are hashed, and to which root does a path lead?
//
// The formulas of docs/verification.md and nothing else: no page, no network. Sizes, positions and amounts are
// BigInt, because a sum may be larger than a JavaScript number can hold. What does not hold throws `Failed`.

export const MAX_BALANCE = 2n ** 63n - 1n;
export const MAX_SUM = 2n ** 95n - 1n;
export const MAX_LEAVES = 2n ** 32n;
const MAX_SIZE = 2n ** 63n;

/** Something does not hold: a code for its sentence, and the two figures that should be one. */
export class Failed extends Error {
  constructor(code, computed = "", compared = "") {
    super(code);
    Object.assign(this, { code, computed, compared });
  }
}

/** A comparison could not be made, so nothing is known: never the same as one that holds. */
export class NotChecked extends Failed {}

/** Throw `Failed` unless it holds. */
export function need(holds, code, computed, compared) {
  if (!holds) throw new Failed(code, computed, compared);
}

// --- bytes ---------------------------------------------------------------------------------------

const encoder = new TextEncoder();

export const utf8 = (text) => encoder.encode(text);

export function concat(...parts) {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
}

export const same = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** 32 bytes in small hexadecimal digits. */
export function unhex(text) {
  need(typeof text === "string" && /^[0-9a-f]{64}$/.test(text), "spelled");
  return Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
}

/** Base64 in its one spelling. */
export function unbase64(text, length = null) {
  let content;
  try {
    content = atob(text);
  } catch {
    throw new Failed("spelled");
  }
  need(btoa(content) === text && (length === null || content.length === length), "spelled");
  return Uint8Array.from(content, (letter) => letter.charCodeAt(0));
}

/** A whole number in its range: a BigInt, or decimal digits in their one spelling, or a number that is exact. */
export function whole(number, most = MAX_SUM) {
  const isWhole =
    typeof number === "bigint" ||
    (typeof number === "string" && /^(0|[1-9][0-9]{0,39})$/.test(number)) ||
    (typeof number === "number" && Number.isSafeInteger(number));
  need(isWhole, "range", String(number));
  const value = BigInt(number);
  need(value >= 0n && value <= most, "range", String(number));
  return value;
}

const bigEndian = (length) => (number) => {
  const bytes = new Uint8Array(length);
  let rest = BigInt(number);
  for (let at = length - 1; at >= 0; at -= 1, rest >>= 8n) bytes[at] = Number(rest & 255n);
  return bytes;
};
export const u32 = bigEndian(4);
export const u64 = bigEndian(8);
export const u128 = bigEndian(16);

/** A text with its length before it; refused when it is spelled in another way than it is hashed. */
export function lp(text) {
  need(typeof text === "string" && text.normalize("NFC").trim() === text, "spelled", text);
  const bytes = utf8(text);
  return concat(u32(bytes.length), bytes);
}

export async function sha256(...parts) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...parts)));
}

/** HKDF-SHA256 (RFC 5869) of 32 bytes. */
export async function hkdf(secret, salt, info) {
  const key = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
  return new Uint8Array(await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info }, key, 256));
}

// --- the journal's tree (RFC 6962) ---------------------------------------------------------------

export const journalLeaf = (entry) => sha256(Uint8Array.of(0), entry);
const journalNode = (left, right) => sha256(Uint8Array.of(1), left, right);

/** The largest power of two below a size of at least 2: how many leaves the left subtree has. */
const leftPart = (size) => 1n << BigInt((size - 1n).toString(2).length - 1);

/** For each node beside the way from leaf to root: whether it stands left, and how many leaves it has. */
export function siblings(index, size) {
  need(index < size && size <= MAX_SIZE, "index", String(index), String(size));
  const found = [];
  let [start, end] = [0n, size];
  while (end - start > 1n) {
    const middle = start + leftPart(end - start);
    const left = index >= middle;
    found.push({ left, count: left ? middle - start : end - middle });
    if (left) start = middle;
    else end = middle;
  }
  return found.reverse();
}

/** The root to which a path leads from a leaf of the journal. */
export async function journalRoot(leaf, index, size, path) {
  const beside = siblings(index, size);
  need(Array.isArray(path) && path.length === beside.length, "path_length", path?.length, beside.length);
  let node = leaf;
  for (const [at, { left }] of beside.entries()) {
    const other = unhex(path[at]);
    node = left ? await journalNode(other, node) : await journalNode(node, other);
  }
  return node;
}

/** The journal of `now` begins with that of `old`; both are {size, root}, the path is bytes (RFC 6962, 2.1.2). */
export async function extendsJournal(old, now, path) {
  need(old.size >= 1n && old.size <= now.size, "rolled_back", String(now.size), String(old.size));
  const rest = [...path];
  const next = () => {
    need(rest.length > 0, "path_length");
    return rest.pop();
  };
  const roots = async (before, after, isWhole) => {
    if (before === after) {
      const node = isWhole ? old.root : next();
      return [node, node];
    }
    const left = leftPart(after);
    const beside = next();
    if (before <= left) {
      const [first, second] = await roots(before, left, isWhole);
      return [first, await journalNode(second, beside)];
    }
    const [first, second] = await roots(before - left, after - left, false);
    return [await journalNode(beside, first), await journalNode(beside, second)];
  };
  const [first, second] = await roots(old.size, now.size, true);
  need(rest.length === 0, "path_length");
  need(same(first, old.root), "forked", hex(first), hex(old.root));
  need(same(second, now.root), "forked", hex(second), hex(now.root));
}

// --- trees of liabilities ------------------------------------------------------------------------

const tag = (name) => utf8(`pbx/pol/${name}/v1\0`);

export const workerKey = (master, number) => hkdf(master, new Uint8Array(32), concat(tag("wkey"), lp(number)));
export const nonceOf = (key, salt) => hkdf(key, salt, tag("nonce"));

/** Goes into every leaf, so that none can be shown in another tree. */
export function treeId({ exchange, provider, component, unit, asOf, journal, salt }) {
  const named = [exchange, provider, component, unit, asOf].map(lp);
  return sha256(tag("tree"), ...named, u64(journal.size), journal.root, salt);
}

/** The leaf of an opening, as {hash, sum, count}. */
export async function leafOf(id, { nonce, number, email, name, balance }) {
  need(email === email.toLowerCase(), "spelled", email);
  const owed = whole(balance, MAX_BALANCE);
  const subject = await sha256(tag("subj"), nonce, lp(number), lp(email), lp(name));
  return { hash: await sha256(tag("leaf"), id, nonce, subject, lp(number), u64(owed)), sum: owed, count: 1n };
}

/** The node above two: both children's sums and counts are inside its hash. */
export async function join(left, right) {
  const [sum, count] = [left.sum + right.sum, left.count + right.count];
  need(sum <= MAX_SUM && count <= MAX_LEAVES, "range", String(sum));
  const inside = [left, right].flatMap((node) => [node.hash, u128(node.sum), u64(node.count)]);
  return { hash: await sha256(tag("node"), ...inside), sum, count };
}

/** The root to which a path of [hash, sum] leads from a leaf. The siblings' counts follow from index and size. */
export async function rootFrom(leaf, index, size, path) {
  const beside = siblings(index, size);
  need(Array.isArray(path) && path.length === beside.length, "path_length", path?.length, beside.length);
  let node = leaf;
  for (const [at, { left, count }] of beside.entries()) {
    const [hash, sum] = path[at];
    const other = { hash: unhex(hash), sum: whole(sum), count };
    node = left ? await join(other, node) : await join(node, other);
  }
  return node;
}
