// Does a worker's proof hold?  Signed notes, statements, the journal's line, the leaf: each can be asked alone.

import {
  MAX_LEAVES, NotChecked, concat, extendsJournal, hex, journalLeaf, journalRoot, leafOf, need, rootFrom, same, sha256,
  treeId, unbase64, unhex, utf8, whole,
} from "./hashing.js";

// --- keys and signed notes (C2SP) ----------------------------------------------------------------

const ED25519 = Uint8Array.of(1);
let browserKnows = null;

/** Whether this browser can check Ed25519 signatures. */
export function knowsEd25519() {
  browserKnows ??= crypto.subtle.importKey("raw", new Uint8Array(32), "Ed25519", false, ["verify"]).then(
    () => true,
    () => false,
  );
  return browserKnows;
}

/** Read `name+id+base64`; the id must be that of name and key. */
export async function readKey(line) {
  const parts = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(line);
  need(parts, "spelled", line);
  const [, name, id, blob] = parts;
  const content = unbase64(blob, 33);
  const computed = hex((await sha256(utf8(name), Uint8Array.of(10), content)).slice(0, 4));
  need(content[0] === ED25519[0] && computed === id, "key_id", computed, id);
  return { line, name, id, computed, key: content.slice(1) };
}

/** Keys by `name+id`, without those whose id is not theirs. */
export async function readKeys(lines) {
  const read = await Promise.allSettled(lines.map(readKey));
  return new Map(read.filter(({ value }) => value).map(({ value }) => [`${value.name}+${value.id}`, value]));
}

/** The text of a note and whose signatures are said to stand under it. Nothing is verified. */
export function readNote(note) {
  const cut = note.lastIndexOf("\n\n");
  need(cut > 0 && note.endsWith("\n") && note.length > cut + 2, "spelled");
  const signatures = note.slice(cut + 2, -1).split("\n").map((line) => {
    const parts = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line);
    need(parts, "spelled", line);
    const blob = unbase64(parts[2], 68);
    return { name: parts[1], id: hex(blob.slice(0, 4)), signature: blob.slice(4) };
  });
  return { text: note.slice(0, cut + 1), signatures };
}

/** The keys that signed a note. Every signature must be a known key's, and hold; `among` narrows whose are asked for. */
export async function signersOf(note, keys, among = () => true) {
  if (!(await knowsEd25519())) throw new NotChecked("no_ed25519");
  return Promise.all(
    note.signatures.filter(({ name }) => among(name)).map(async ({ name, id, signature }) => {
      const key = keys.get(`${name}+${id}`);
      need(key, "key_unknown", `${name}+${id}`);
      const imported = await crypto.subtle.importKey("raw", key.key, "Ed25519", false, ["verify"]);
      need(await crypto.subtle.verify("Ed25519", imported, signature, utf8(note.text)), "signature", name);
      return key;
    }),
  );
}

/** Refuse a note that one of these names has not signed; gives its signers. */
export async function signedBy(note, keys, ...names) {
  const signers = await signersOf(note, keys);
  for (const name of names) need(signers.some((key) => key.name === name), "not_signed", name);
  return signers;
}

/** The witnesses who signed a note: a witness has a name of his own, no name of the exchange's or its providers'. */
export const witnessesOf = (note, keys, exchange) => signersOf(note, keys, (name) => !name.startsWith(`${exchange}/`));

// --- checkpoints, statements, entries ------------------------------------------------------------

/** Size and root of the checkpoint whose text this is. */
export function readHead(text, exchange) {
  const [origin, size, root, end, ...more] = text.split("\n");
  need(origin === `${exchange}/journal` && end === "" && more.length === 0, "spelled", origin);
  return { size: whole(size), root: unbase64(root, 32) };
}

const STATEMENT =
  /^pbx-pol\/v1\nexchange (\S+)\nprovider (\S+)\ncomponent (\S+)\nunit (USD|MIN)\nasof ([0-9]{4}-[0-9]{2}-[0-9]{2})\njournal ([0-9]+) (\S+)\nsalt (\S+)\ncount ([0-9]+)\nsum ([0-9]+)\nroot (\S+)\n$/;

/** What a statement says; `details` is what its own entry in the journal must carry. */
export async function readStatement(text) {
  const found = STATEMENT.exec(text);
  need(found, "spelled");
  const [, exchange, provider, component, unit, asOf, size, journalRootText, salt, count, sum, root] = found;
  const said = {
    exchange, provider, component, unit, asOf,
    journal: { size: whole(size), root: unbase64(journalRootText, 32) },
    salt: unbase64(salt, 32),
    root: { hash: unbase64(root, 32), sum: whole(sum), count: whole(count, MAX_LEAVES) },
  };
  const details = await sha256(utf8("pbx/jrn/detail/v1\0"), new Uint8Array(32), utf8(text));
  return { ...said, details, treeId: await treeId(said), digest: hex(await sha256(utf8(text))) };
}

/** The details' digest of an entry that moves nothing, from its bytes. */
export function readStatementEntry(content) {
  let at = 5;
  const field = (length) => {
    need(at + length <= content.length, "entry");
    at += length;
    return content.slice(at - length, at);
  };
  const number = () => field(4).reduce((value, byte) => value * 256 + byte, 0);
  need(same(content.slice(0, 5), concat(utf8("PBXJ"), Uint8Array.of(1))), "entry");
  field(number());
  field(number());
  field(8);
  field(number());
  const kind = new TextDecoder().decode(field(number()));
  const details = field(32);
  need(number() === 0 && at === content.length && kind === "statement", "entry");
  return details;
}

// --- the proof -----------------------------------------------------------------------------------

/** What a proof says, read and not yet checked. */
export async function readProof(proof) {
  const note = readNote(proof.statement);
  const said = await readStatement(note.text);
  const checkpoint = readNote(proof.seal.checkpoint);
  return { proof, note, said, checkpoint, head: readHead(checkpoint.text, said.exchange) };
}

/** Statement and checkpoint are the exchange's, the statement the provider's too; gives the signers of both. */
export async function checkSignatures({ note, said, checkpoint }, keys) {
  const own = `${said.exchange}/journal`;
  const both = said.provider === "exchange" ? [own] : [own, `${said.exchange}/${said.provider}`];
  return [...(await signedBy(note, keys, ...both)), ...(await signedBy(checkpoint, keys, own))];
}

/** The statement stands in the journal under the checkpoint, after the journal that it speaks of, which grew into it. */
export async function checkJournal({ proof, said, head }) {
  const content = unbase64(proof.seal.entry);
  const details = readStatementEntry(content);
  need(same(details, said.details), "details", hex(said.details), hex(details));
  const position = whole(proof.seal.position);
  const root = await journalRoot(await journalLeaf(content), position, head.size, proof.seal.path);
  need(same(root, head.root), "journal_root", hex(root), hex(head.root));
  need(position >= said.journal.size, "too_early", String(position), String(said.journal.size));
  need(Array.isArray(proof.extends), "spelled");
  await extendsJournal(said.journal, head, proof.extends.map(unhex));
  return { position, root: hex(root), signed: hex(head.root) };
}

/** The leaf that the opening makes. */
export function leafIn({ proof, said }) {
  const { nonce, account_number: number, email, legal_name: name, balance } = proof.opening;
  return leafOf(said.treeId, { nonce: unhex(nonce), number, email, name, balance });
}

/** The way from the leaf leads to the root, sum and count that were signed. */
export async function checkPath({ proof, said }, leaf) {
  const node = await rootFrom(leaf, whole(proof.index), said.root.count, proof.path);
  need(node.sum === said.root.sum, "sum", String(node.sum), String(said.root.sum));
  need(node.count === said.root.count, "count", String(node.count), String(said.root.count));
  need(same(node.hash, said.root.hash), "root", hex(node.hash), hex(said.root.hash));
  return node;
}

/** All of it at once, as verifier/verify.py does; throws `Failed`. */
export async function checkProof(proof, keys) {
  const read = await readProof(proof);
  await checkSignatures(read, keys);
  await checkJournal(read);
  await checkPath(read, await leafIn(read));
  return read;
}
