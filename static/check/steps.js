// Is a worker's balance counted?  Every step of the check, each with what was compared with what.
//
// The server is asked for data, never for a verdict. What stands at the public addresses is fetched without
// cookies: whoever answers cannot know for whom. A step is "ok", "failed" or "not_checked"; nothing that could
// not be compared is ever "ok".

import { NotChecked, extendsJournal, hex, need, nonceOf, same, sha256, unbase64, unhex, utf8, whole } from "./hashing.js";
import {
  checkJournal, checkPath, checkSignatures, leafIn, readHead, readKey, readKeys, readNote, readProof, readStatement,
  signedBy, witnessesOf,
} from "./proof.js";

const OLDEST_DAYS = 40; // statements are made monthly
const A_DAY = 24 * 60 * 60 * 1000;
const WELL_KNOWN = "/.well-known/pbx";

// --- asking --------------------------------------------------------------------------------------

/** The text at an address of the exchange; `Failed` where there is none, `NotChecked` where nobody answers. */
async function asked(address, credentials) {
  let answer;
  try {
    answer = await fetch(address, { credentials, cache: "no-store", redirect: "error" });
  } catch {
    throw new NotChecked("no_answer", address);
  }
  if (answer.status >= 500 || answer.status === 429) throw new NotChecked("no_answer", address);
  need(answer.ok, "not_served", address);
  return answer.text();
}

const asAnybody = (path) => asked(`${WELL_KNOWN}${path}`, "omit");

/** The worker's data. */
export const fetchData = async (address) => JSON.parse(await asked(address, "same-origin"));

async function consistency(old, now) {
  if (old.size === now.size) return extendsJournal(old, now, []);
  need(old.size < now.size, "rolled_back", String(now.size), String(old.size));
  const lines = (await asAnybody(`/consistency/${old.size}/${now.size}`)).split("\n").slice(0, -1);
  return extendsJournal(old, now, lines.map((line) => unbase64(line, 32)));
}

// --- rows ----------------------------------------------------------------------------------------

/** One comparison: what it is `of`, what was computed here, what it was compared with, and whether they agree. */
const row = (of, work) => async () => {
  try {
    return { of, ok: true, ...(await work()) };
  } catch (error) {
    const { code = "odd", computed = String(error), compared = "" } = error;
    return { of, ok: error instanceof NotChecked ? null : false, why: code, computed, compared };
  }
};

function statusOf(rows) {
  if (rows.some(({ ok }) => ok === false)) return "failed";
  return rows.length && rows.every(({ ok }) => ok) ? "ok" : "not_checked";
}

const place = ({ provider, component, unit }) => ({ provider, component, unit });
const nameOf = ({ provider, component, unit }) => `${provider} ${component} ${unit}`;

/** A row for each of the worker's proofs. */
const forEach = (facts, work) =>
  facts.proofs.map((one, at) =>
    row(place(one.said ?? facts.data.proofs[at]), () => {
      if (one instanceof Error) throw one;
      return work(one);
    }),
  );

// --- the steps -----------------------------------------------------------------------------------

const STEPS = {
  keys: ({ data }) =>
    data.keys.map((line) =>
      row({ text: line.split("+", 1)[0] }, async () => {
        const read = await readKey(line);
        return { computed: read.computed, compared: read.id };
      }),
    ),

  signatures: (facts) =>
    forEach(facts, async (read) => {
      const signers = await checkSignatures(read, facts.keys);
      return { computed: [...new Set(signers.map(({ name }) => name))].join(", ") };
    }),

  witness: (facts) =>
    forEach(facts, async ({ said, checkpoint, head }) => {
      const witnesses = await witnessesOf(checkpoint, facts.keys, said.exchange);
      if (!witnesses.length) throw new NotChecked("not_witnessed", String(head.size));
      return { computed: witnesses.map(({ name, id }) => `${name}+${id}`).join(", ") };
    }),

  journal: (facts) =>
    forEach(facts, async (read) => {
      const { root, signed, position } = await checkJournal(read);
      return { computed: root, compared: signed, journal: { position, size: read.head.size } };
    }),

  memory: (facts) => [
    row({ word: "newest" }, () => newestExtends(facts)),
    row({ word: "seen" }, () => rememberedExtends(facts)),
    row({ word: "known_keys" }, () => keysAreKnown(facts)),
  ],

  leaf: (facts) =>
    forEach(facts, async (read) => {
      const { opening } = read.proof;
      for (const field of ["account_number", "email", "legal_name"]) {
        need(opening[field] === facts.data.account[field], "identity", opening[field], facts.data.account[field]);
      }
      const nonce = await nonceOf(unbase64(facts.data.key, 32), read.said.salt);
      need(same(nonce, unhex(opening.nonce)), "nonce", hex(nonce), opening.nonce);
      return { computed: hex((await leafIn(read)).hash), compared: facts.data.account.legal_name };
    }),

  balance: (facts) => [
    ...placesOf(facts).map((of) => row(of, () => balanceAgrees(facts, of))),
    row({ word: "age" }, () => isRecent(facts)),
  ],

  path: (facts) =>
    forEach(facts, async (read) => {
      const node = await checkPath(read, await leafIn(read));
      return { computed: hex(node.hash), compared: hex(read.said.root.hash), total: { ...node, unit: read.said.unit } };
    }),

  regulator: (facts) => forEach(facts, (read) => isAtTheRegulators(facts, read)),
};

export const STEP_NAMES = Object.keys(STEPS);

/** The newest checkpoint that anybody is shown goes on where the proofs' checkpoints end. */
async function newestExtends(facts) {
  const { exchange } = facts.data;
  const note = readNote(await asAnybody("/checkpoint"));
  await signedBy(note, facts.keys, `${exchange}/journal`);
  facts.newest = { text: note.text, head: readHead(note.text, exchange) };
  for (const { head } of facts.read) await consistency(head, facts.newest.head);
  return { computed: String(facts.newest.head.size), compared: hex(facts.newest.head.root) };
}

/** It also goes on where the checkpoint ends that this browser saw last: nothing was set back, nothing forked. */
async function rememberedExtends({ data, newest, memory }) {
  if (!newest) throw new NotChecked("no_newest");
  if (!memory) return { why: "first_time", computed: String(newest.head.size) };
  const seen = readHead(memory.text, data.exchange);
  await consistency(seen, newest.head);
  return { computed: String(newest.head.size), compared: String(seen.size) };
}

/** Where this browser knew keys of the exchange, and of a witness, one of each that it knew still signs. */
async function keysAreKnown(facts) {
  const own = `${facts.data.exchange}/journal+`;
  const signing = new Set();
  for (const { checkpoint, note, said } of facts.read) {
    for (const { line } of await signedBy(checkpoint, facts.keys)) signing.add(line);
    for (const { line } of await witnessesOf(note, facts.keys, said.exchange)) signing.add(line);
  }
  facts.signing = [...signing].sort();
  const known = facts.memory?.keys ?? [];
  for (const isOfGroup of [(line) => line.startsWith(own), (line) => !line.startsWith(own)]) {
    const [before, now] = [known.filter(isOfGroup), facts.signing.filter(isOfGroup)];
    const goesOn = !before.length || !now.length || now.some((line) => before.includes(line));
    need(goesOn, "keys_replaced", now.join(", "), before.join(", "));
  }
  const shown = { computed: facts.signing.join(", "), compared: known.join(", ") };
  return facts.signing.every((line) => known.includes(line)) ? shown : { ...shown, why: "new_keys" };
}

/** Everywhere the worker has something, by his account or by a proof. */
function placesOf({ data, read }) {
  const lines = data.lines.filter(({ now, came, went }) => [now, came, went].some((figure) => figure !== "0"));
  const all = [...read.map(({ said }) => said), ...lines];
  return [...new Map(all.map((one) => [nameOf(one), place(one)])).values()];
}

/** What the statement says is what the account says today, without what came and went since. */
async function balanceAgrees({ data, read }, of) {
  const line = data.lines.find((one) => nameOf(one) === nameOf(of)) ?? { now: "0", came: "0", went: "0" };
  const [now, came, went] = [line.now, line.came, line.went].map((figure) => whole(figure));
  const then = now - came + went;
  const figures = { now, came, went, then };
  const proof = read.find(({ said }) => nameOf(said) === nameOf(of));
  if (!proof) {
    need(then === 0n, "left_out", "–", String(then));
    return { figures, why: "came_since" };
  }
  need(proof.said.exchange === data.exchange, "other_exchange", proof.said.exchange, data.exchange);
  need(proof.said.journal.size === whole(data.round.journal), "other_journal", String(proof.said.journal.size), data.round.journal);
  const stated = whole(proof.proof.opening.balance);
  need(stated === then, "balance", stated, then);
  return { figures: { ...figures, stated } };
}

async function isRecent({ data, read, today }) {
  const asOf = data.round.as_of;
  for (const { said } of read) need(said.asOf === asOf, "other_date", said.asOf, asOf);
  if (today - new Date(asOf) > OLDEST_DAYS * A_DAY) throw new NotChecked("old", asOf);
  return { computed: asOf };
}

/** Everybody is shown the same statement, and the regulator has signed it: then his copy has these very lines. */
async function isAtTheRegulators({ keys }, { proof, note, said }) {
  const shown = readNote(await asAnybody(`/statements/${whole(proof.id)}`));
  const { digest } = await readStatement(shown.text);
  need(shown.text === note.text, "other_version", said.digest, digest);
  const witnesses = await witnessesOf(shown, keys, said.exchange);
  if (!witnesses.length) throw new NotChecked("not_at_regulator", said.digest);
  return { computed: said.digest, compared: witnesses.map(({ name }) => name).join(", ") };
}

// --- all of it -----------------------------------------------------------------------------------

/** Run every step, in order; `tell(name, step)` hears of each as it is done. Gives {status, steps, remember}.
 *
 *  A step is {status, rows}. `remember` is what this browser should keep for the next time, as {text, keys}: null
 *  unless keys, signatures and memory hold, so that a fork cannot make it forget. */
export async function check(data, { memory = null, today = new Date(), tell = () => {} } = {}) {
  const keys = await readKeys(data.keys);
  const proofs = await Promise.all(data.proofs.map((proof) => readProof(proof).catch((error) => error)));
  const read = proofs.filter((one) => !(one instanceof Error));
  const facts = { data, memory, today, keys, proofs, read, newest: null, signing: null };
  const steps = {};
  for (const [name, rowsOf] of Object.entries(STEPS)) {
    const rows = [];
    for (const work of rowsOf(facts)) rows.push(await work());
    steps[name] = { status: statusOf(rows), rows };
    tell(name, steps[name]);
  }
  const statuses = Object.values(steps).map((step) => step.status);
  const holds = ["keys", "signatures", "memory"].every((name) => steps[name].status === "ok");
  return {
    status: ["failed", "not_checked"].find((one) => statuses.includes(one)) ?? "ok",
    steps,
    remember: holds ? { text: facts.newest.text, keys: facts.signing } : null,
  };
}

// --- what this browser remembers -----------------------------------------------------------------

/** The name on the shelf tells no account number to whoever looks. */
async function shelfOf(number) {
  return `pbx-check-${hex(await sha256(utf8("pbx/check/v1\0"), utf8(number))).slice(0, 16)}`;
}

/** {text, keys} of the last visit; null at the first. */
export async function recall(number) {
  return JSON.parse(localStorage.getItem(await shelfOf(number)));
}

export async function remember(number, what) {
  localStorage.setItem(await shelfOf(number), JSON.stringify(what));
}

export async function forget(number) {
  localStorage.removeItem(await shelfOf(number));
}
