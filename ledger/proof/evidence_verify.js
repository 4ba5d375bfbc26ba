"use strict";
// The verifier of evidence bundles for browsers: docs/evidence.md, step by step. It needs
// nothing but the language: no network, no page, no cryptography of the browser's (which a
// page from a file may not have). vitaeEvidence.verify(bytes, key) gives a report.
const vitaeEvidence = (() => {
  const maxBundle = 64 * 1024 * 1024, maxFaults = 100;

  // Bytes and texts.

  const hexOf = (b) => {
    let s = "";
    for (const x of b) s += (x < 16 ? "0" : "") + x.toString(16);
    return s;
  };
  const unhex = (s) => {
    const b = new Uint8Array(s.length / 2);
    for (let i = 0; i < b.length; i++) b[i] = parseInt(s.substr(2 * i, 2), 16);
    return b;
  };
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const digit = new Uint8Array(128).fill(255);
  for (let i = 0; i < 64; i++) digit[alphabet.charCodeAt(i)] = i;

  // base64 reads strict base64; null if it is not. padded says whether "=" must fill it up.
  const base64 = (s, padded) => {
    let n = s.length;
    if (padded) {
      if (n % 4 !== 0) return null;
      while (n > 0 && s.length - n < 2 && s[n - 1] === "=") n--;
    }
    if (n % 4 === 1) return null;
    const out = new Uint8Array(Math.floor(n * 3 / 4));
    let bits = 0, have = 0, at = 0;
    for (let i = 0; i < n; i++) {
      const c = s.charCodeAt(i), d = c < 128 ? digit[c] : 255;
      if (d === 255) return null;
      bits = (bits << 6 | d) & 0xffff;
      have += 6;
      if (have >= 8) {
        have -= 8;
        out[at++] = bits >> have & 255;
      }
    }
    return (bits & (1 << have) - 1) === 0 ? out : null;
  };

  // encodeUTF8 and decodeUTF8 (null if it is not UTF-8).
  const encodeUTF8 = (s) => {
    const out = [];
    for (const ch of s) {
      const c = ch.codePointAt(0);
      if (c < 0x80) out.push(c);
      else if (c < 0x800) out.push(0xc0 | c >> 6, 0x80 | c & 63);
      else if (c < 0x10000) out.push(0xe0 | c >> 12, 0x80 | c >> 6 & 63, 0x80 | c & 63);
      else out.push(0xf0 | c >> 18, 0x80 | c >> 12 & 63, 0x80 | c >> 6 & 63, 0x80 | c & 63);
    }
    return Uint8Array.from(out);
  };
  const decodeUTF8 = (b) => {
    const parts = [];
    let part = [];
    for (let i = 0; i < b.length;) {
      let c = b[i++], more = 0, least = 0;
      if (c >= 0x80) {
        if (c >= 0xc2 && c < 0xe0) [more, least, c] = [1, 0x80, c & 31];
        else if (c >= 0xe0 && c < 0xf0) [more, least, c] = [2, 0x800, c & 15];
        else if (c >= 0xf0 && c < 0xf5) [more, least, c] = [3, 0x10000, c & 7];
        else return null;
        for (; more > 0; more--) {
          if (i === b.length || (b[i] & 0xc0) !== 0x80) return null;
          c = c << 6 | b[i++] & 63;
        }
        if (c < least || c > 0x10ffff || c >= 0xd800 && c < 0xe000) return null;
      }
      if (c < 0x10000) part.push(c);
      else part.push(0xd800 + (c - 0x10000 >> 10), 0xdc00 + (c - 0x10000 & 1023));
      if (part.length > 8000) {
        parts.push(String.fromCharCode.apply(null, part));
        part = [];
      }
    }
    parts.push(String.fromCharCode.apply(null, part));
    return parts.join("");
  };
  const ascii = (b) => {
    let s = "";
    for (let i = 0; i < b.length; i += 8000) s += String.fromCharCode.apply(null, b.subarray(i, i + 8000));
    return s;
  };
  const concat = (...all) => {
    const out = new Uint8Array(all.reduce((n, b) => n + b.length, 0));
    let at = 0;
    for (const b of all) {
      out.set(b, at);
      at += b.length;
    }
    return out;
  };
  const equal = (a, b) => {
    if (a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
    return true;
  };

  // SHA-256 and SHA-512. Their constants are the fractions of roots of primes.

  const primes = [];
  for (let n = 2; primes.length < 80; n++) if (primes.every((p) => n % p !== 0)) primes.push(n);
  // root is the 64 bits behind the point of the square or cube root of n.
  const root = (n, power) => {
    const wanted = BigInt(n) << 64n * power;
    let low = 0n, high = 1n << 70n;
    while (high - low > 1n) {
      const middle = low + high >> 1n;
      if (middle ** power <= wanted) low = middle;
      else high = middle;
    }
    return low & (1n << 64n) - 1n;
  };
  const k512 = primes.map((p) => root(p, 3n)), h512 = primes.slice(0, 8).map((p) => root(p, 2n));
  const k256 = Int32Array.from(k512.slice(0, 64), (x) => Number(BigInt.asIntN(32, x >> 32n)));
  const h256 = Int32Array.from(h512, (x) => Number(BigInt.asIntN(32, x >> 32n)));
  const w = new Int32Array(64), state = new Int32Array(8);

  const block256 = (b, at) => {
    for (let i = 0; i < 16; i++, at += 4) w[i] = b[at] << 24 | b[at + 1] << 16 | b[at + 2] << 8 | b[at + 3];
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15], y = w[i - 2];
      w[i] = w[i - 16] + w[i - 7] + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3) + ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10) | 0;
    }
    let a = state[0], b1 = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
    for (let i = 0; i < 64; i++) {
      const t1 = h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) + (e & f ^ ~e & g) + k256[i] + w[i] | 0;
      const t2 = ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + (a & b1 ^ a & c ^ b1 & c) | 0;
      h = g, g = f, f = e, e = d + t1 | 0, d = c, c = b1, b1 = a, a = t1 + t2 | 0;
    }
    state[0] += a, state[1] += b1, state[2] += c, state[3] += d, state[4] += e, state[5] += f, state[6] += g, state[7] += h;
  };
  // padding is what follows the whole blocks of a message.
  const padding = (b, size, length) => {
    const whole = b.length - b.length % size, rest = b.length - whole;
    const tail = new Uint8Array(rest + 1 + length <= size ? size : 2 * size);
    tail.set(b.subarray(whole));
    tail[rest] = 0x80;
    let bits = b.length * 8;
    for (let i = tail.length - 1; bits > 0; i--, bits = Math.floor(bits / 256)) tail[i] = bits % 256;
    return [whole, tail];
  };
  const sha256 = (b) => {
    state.set(h256);
    const [whole, tail] = padding(b, 64, 8);
    for (let at = 0; at < whole; at += 64) block256(b, at);
    for (let at = 0; at < tail.length; at += 64) block256(tail, at);
    const out = new Uint8Array(32);
    for (let i = 0; i < 32; i++) out[i] = state[i >> 2] >>> 24 - 8 * (i & 3);
    return out;
  };
  const sha512 = (b) => {
    const mask = (1n << 64n) - 1n, turn = (x, n) => (x >> n | x << 64n - n) & mask;
    const [whole, tail] = padding(b, 128, 16), all = concat(b.subarray(0, whole), tail);
    const s = h512.slice();
    for (let at = 0; at < all.length; at += 128) {
      const m = [];
      for (let i = 0; i < 16; i++) m.push(BigInt("0x" + hexOf(all.subarray(at + 8 * i, at + 8 * i + 8))));
      for (let i = 16; i < 80; i++) {
        const x = m[i - 15], y = m[i - 2];
        m.push(m[i - 16] + m[i - 7] + (turn(x, 1n) ^ turn(x, 8n) ^ x >> 7n) + (turn(y, 19n) ^ turn(y, 61n) ^ y >> 6n) & mask);
      }
      let [a, b1, c, d, e, f, g, h] = s;
      for (let i = 0; i < 80; i++) {
        const t1 = h + (turn(e, 14n) ^ turn(e, 18n) ^ turn(e, 41n)) + (e & f ^ (e ^ mask) & g) + k512[i] + m[i];
        const t2 = (turn(a, 28n) ^ turn(a, 34n) ^ turn(a, 39n)) + (a & b1 ^ a & c ^ b1 & c);
        [a, b1, c, d, e, f, g, h] = [t1 + t2 & mask, a, b1, c, d + t1 & mask, e, f, g];
      }
      [a, b1, c, d, e, f, g, h].forEach((x, i) => { s[i] = s[i] + x & mask; });
    }
    return unhex(s.map((x) => x.toString(16).padStart(16, "0")).join(""));
  };

  // Ed25519 (RFC 8032), on points (x, y, z, t) with x = X/Z, y = Y/Z, xy = T/Z.

  const prime = (1n << 255n) - 19n, order = (1n << 252n) + 27742317777372353535851937790883648493n;
  const mod = (x) => { x %= prime; return x < 0n ? x + prime : x; };
  const power = (x, n) => {
    let out = 1n;
    for (; n > 0n; n >>= 1n, x = mod(x * x)) if (n & 1n) out = mod(out * x);
    return out;
  };
  const curve = mod(-121665n * power(121666n, prime - 2n)), half = power(2n, (prime - 1n) / 4n);
  const add = (p, q) => {
    const a = mod((p[1] - p[0]) * (q[1] - q[0])), b = mod((p[1] + p[0]) * (q[1] + q[0]));
    const c = mod(2n * p[3] * q[3] * curve), d = mod(2n * p[2] * q[2]);
    const e = b - a, f = d - c, g = d + c, h = b + a;
    return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
  };
  const double = (p) => {
    const a = p[0] * p[0], b = p[1] * p[1], h = a + b, e = h - (p[0] + p[1]) ** 2n, g = a - b, f = 2n * p[2] * p[2] + g;
    const [er, fr, gr, hr] = [mod(e), mod(f), mod(g), mod(h)];
    return [mod(er * fr), mod(gr * hr), mod(fr * gr), mod(er * hr)];
  };
  // sum is n*p + m*q.
  const sum = (n, p, m, q) => {
    const both = add(p, q);
    let out = [0n, 1n, 1n, 0n];
    const a = n.toString(2).padStart(256, "0"), b = m.toString(2).padStart(256, "0");
    for (let i = 0; i < 256; i++) {
      out = double(out);
      if (a[i] === "1") out = add(out, b[i] === "1" ? both : p);
      else if (b[i] === "1") out = add(out, q);
    }
    return out;
  };
  const little = (b) => BigInt("0x" + hexOf(Uint8Array.from(b).reverse()));
  const point = (b) => {
    const n = little(b), sign = n >> 255n, y = mod(n & (1n << 255n) - 1n);
    const square = mod((y * y - 1n) * power(curve * y * y + 1n, prime - 2n));
    let x = power(square, (prime + 3n) / 8n);
    if (mod(x * x) !== square) x = mod(x * half);
    if (mod(x * x) !== square || x === 0n && sign === 1n) return null;
    if ((x & 1n) !== sign) x = prime - x;
    return [x, y, 1n, mod(x * y)];
  };
  const encodePoint = (p) => {
    const z = power(p[2], prime - 2n), x = mod(p[0] * z), y = mod(p[1] * z);
    return unhex((y | (x & 1n) << 255n).toString(16).padStart(64, "0")).reverse();
  };
  const base = point(unhex("58" + "66".repeat(31)));
  const ed25519 = (publicKey, message, signature) => {
    if (publicKey.length !== 32 || signature.length !== 64) return false;
    const a = point(publicKey), s = little(signature.subarray(32));
    if (a === null || s >= order) return false;
    const k = little(sha512(concat(signature.subarray(0, 32), publicKey, message))) % order;
    const minus = [mod(-a[0]), a[1], a[2], mod(-a[3])];
    return equal(encodePoint(sum(s, base, k, minus)), signature.subarray(0, 32));
  };

  // The bundle.

  const need = (ok, what) => { if (!ok) throw new Error(what); };
  // canonical writes JSON as RFC 8785 has it: the language's own forms, members sorted.
  const canonical = (v) => {
    if (Array.isArray(v)) return "[" + v.map(canonical).join(",") + "]";
    if (v === null || typeof v !== "object") {
      need(typeof v !== "string" || !/[\ud800-\udfff]/u.test(v), "it has half a character");
      return JSON.stringify(v);
    }
    return "{" + Object.keys(v).sort().map((name) => JSON.stringify(name) + ":" + canonical(v[name])).join(",") + "}";
  };
  const members = (v, names, what) => {
    need(v !== null && typeof v === "object" && !Array.isArray(v) && Object.keys(v).sort().join() === names, what + " must have the members " + names);
    return v;
  };
  const isText = (v) => typeof v === "string";
  const isCount = (v, most) => Number.isSafeInteger(v) && v >= 0 && v <= most;
  const isHex = (v, size) => isText(v) && v.length === 2 * size && /^[0-9a-f]*$/.test(v);
  const ulid = "[0-7][0-9A-HJKMNP-TV-Z]{25}", seqMost = Number.MAX_SAFE_INTEGER, countMost = 2147483647;
  const ulidForm = new RegExp("^" + ulid + "$");

  const readBundle = (bytes) => {
    need(bytes.length <= maxBundle, "it is larger than a bundle can be");
    const text = decodeUTF8(bytes);
    need(text !== null, "it is not UTF-8");
    let b;
    try {
      b = JSON.parse(text);
    } catch (e) {
      throw new Error("it is not JSON");
    }
    const again = canonical(b);
    if (again !== text) {
      let at = 0;
      while (at < text.length && text[at] === again[at]) at++;
      throw new Error("it is not in canonical form from character " + at);
    }
    members(b, "checkpoint,commits,format,hashes,key,manifest", "the bundle");
    need(b.format === "vitae-evidence-v1", "its format is not vitae-evidence-v1");
    need(isText(b.checkpoint) && isText(b.key), "checkpoint and key must be texts");
    need(Array.isArray(b.commits) && b.commits.length > 0, "there must be commits");
    need(Array.isArray(b.hashes) && b.hashes.every((h) => isHex(h, 32)), "hashes must be hashes");
    let named = 0;
    const places = (v, what) => {
      need(Array.isArray(v) && v.length <= 53, what + " must be places, at most 53");
      for (const at of v) {
        need(isCount(at, named), what + " must name nodes in their order");
        named = Math.max(named, at + 1);
      }
    };
    b.commits.forEach((c, i) => {
      const what = "commits[" + i + "]";
      members(c, "commit,proof,seq,statement,values", what);
      need(isText(c.commit) && c.commit !== "", what + ".commit must be base64");
      c.bytes = base64(c.commit, true);
      need(c.bytes !== null, what + ".commit must be base64");
      places(c.proof, what + ".proof");
      need(isCount(c.seq, seqMost) && isText(c.statement) && Array.isArray(c.values), what + " must have seq, statement and values");
      for (const v of c.values) {
        members(v, v !== null && typeof v === "object" && "typed" in v ? "index,salt,typed,value" : "index,salt,value", what + ".values");
        need(isCount(v.index, 8191) && isHex(v.salt, 16), what + ".values must have index and salt");
        for (const t of "typed" in v ? [v.value, v.typed] : [v.value]) {
          need(isText(t) && t !== "" && !t.includes("\0"), what + ".values must have texts without a zero byte");
        }
      }
    });
    const m = members(b.manifest, "commits,erased,events,first,head,last,profile,values", "manifest");
    need([m.commits, m.events, m.values].every((n) => isCount(n, countMost)) && typeof m.erased === "boolean", "manifest must have counts, and erased");
    need(isText(m.profile) && ulidForm.test(m.profile), "manifest.profile must be a profile's id");
    members(m.first, "prev,seq", "manifest.first");
    members(m.head, "proof,receipt,statement", "manifest.head");
    members(m.last, "hash,seq", "manifest.last");
    need(isHex(m.first.prev, 32) && isHex(m.last.hash, 32) && isCount(m.first.seq, seqMost) && isCount(m.last.seq, seqMost), "manifest.first and .last must have hash and sequence");
    places(m.head.proof, "manifest.head.proof");
    need(isText(m.head.receipt) && isText(m.head.statement), "manifest.head must have texts");
    need(named === b.hashes.length, "every node must be in a proof");
    return b;
  };

  // A commit as stored.

  const word = "[!#-\\[\\]-~]", sealed = "[A-Za-z0-9+/]+", moment = "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z";
  const some = "(" + word + "{1,256})", any = "(" + word + "{0,256})";
  const headForm = new RegExp('^\\{"v":1,"id":"(' + ulid + ')","profile":"(' + ulid + ')","time":"(' + moment + ')","actor":"' + any + '","via":"' + any +
    '"(?:,"request":"' + some + '")?(?:,"reason":"(' + sealed + ')")?(?:,"idem":\\["[0-9a-f]{32}","[0-9a-f]{32}"\\])?,"prev":"([0-9a-f]{64})","events":\\[');
  const eventForm = new RegExp('\\{"view":"' + any + '"(?:,"field":"' + some + '")?(?:,"item":"' + some + '")?,"op":"([a-z]+)"(?:,"order":\\[((?:"' +
    any + '"(?:,"' + any + '")*)?)\\])?(?:,"hash":"([0-9a-f]{64})","value":"(' + sealed + ')")?\\}', "y");
  const ops = ["set", "clear", "put", "remove", "order", "created", "copied", "deleted", "bound", "erased", "decided"];
  const isTime = (t) => {
    const d = new Date(t);
    return !isNaN(d) && d.toISOString() === t;
  };
  const isSealed = (s) => s === undefined || base64(s, false) !== null;

  // readCommit gives a commit, or null if the bytes are none.
  const readCommit = (bytes) => {
    const text = ascii(bytes), m = headForm.exec(text);
    if (m === null || !isTime(m[3]) || !isSealed(m[7])) return null;
    const c = { id: m[1], profile: m[2], time: m[3], actor: m[4], via: m[5], request: m[6], prev: m[8], events: [] };
    for (let at = m[0].length; ;) {
      eventForm.lastIndex = at;
      const e = eventForm.exec(text);
      if (e === null || !ops.includes(e[4]) || !isSealed(e[9])) return null;
      c.events.push({ view: e[1], field: e[2], item: e[3], op: e[4], order: e[5] === undefined ? undefined : JSON.parse("[" + e[5] + "]"), commitment: e[8] });
      at = eventForm.lastIndex;
      if (text.substr(at) === "]}") return c.events.length <= 8192 ? c : null;
      if (text[at++] !== ",") return null;
    }
  };
  const statementOf = (c, seq, hash) => canonical({ commit: c.id, hash: hexOf(hash), prev: c.prev, profile: c.profile, seq, time: c.time });
  const statementForm = new RegExp('^\\{"commit":"' + ulid + '","hash":"[0-9a-f]{64}","prev":"[0-9a-f]{64}","profile":"' + ulid + '","seq":[1-9]\\d{0,15},"time":"(' + moment + ')"\\}$');
  const readStatement = (text) => {
    const m = statementForm.exec(text);
    if (m === null || !isTime(m[1])) return null;
    const s = JSON.parse(text);
    return Number.isSafeInteger(s.seq) ? s : null;
  };

  // Keys, notes, trees.

  const readKey = (text) => {
    const m = /^([^+\s]+)\+([0-9a-f]{8})\+(.*)$/.exec(text), raw = m === null ? null : base64(m[3], true);
    if (raw === null || raw.length !== 33 || raw[0] !== 1) return null;
    const hash = sha256(concat(encodeUTF8(m[1] + "\n"), raw)).subarray(0, 4);
    return hexOf(hash) === m[2] ? { name: m[1], hash, public: raw.subarray(1) } : null;
  };
  const splitNote = (note) => {
    const at = note.indexOf("\n\n"), m = at < 0 ? null : /^\u2014 ([^ \n]+) ([A-Za-z0-9+/]+={0,2})\n$/.exec(note.substr(at + 2));
    const raw = m === null ? null : base64(m[2], true);
    return raw === null || raw.length < 5 ? null : { text: note.substr(0, at + 1), name: m[1], raw };
  };
  const signed = (note, key) => note.name === key.name && equal(note.raw.subarray(0, 4), key.hash) && ed25519(key.public, encodeUTF8(note.text), note.raw.subarray(4));

  const node = new Uint8Array(65);
  node[0] = 1;
  const parent = (left, right) => {
    node.set(left, 1);
    node.set(right, 33);
    return sha256(node);
  };
  // included is RFC 9162, 2.1.3.2.
  const included = (statement, seq, path, tree) => {
    let fn = seq - 1, sn = tree.size - 1, r = sha256(concat(Uint8Array.of(0), encodeUTF8(statement)));
    const up = () => {
      fn = Math.floor(fn / 2);
      sn = Math.floor(sn / 2);
    };
    for (const p of path) {
      if (sn === 0) return false;
      if (fn % 2 === 1 || fn === sn) {
        r = parent(p, r);
        while (fn % 2 === 0 && fn !== 0) up();
      } else {
        r = parent(r, p);
      }
      up();
    }
    return sn === 0 && equal(r, tree.root);
  };

  // verify gives {faults, bundle, commits, key, tree, head}: what could not be read is null.
  const verify = (bytes, keyText) => {
    const r = { faults: [], bundle: null, commits: [], key: null, tree: null, head: null };
    const fault = (seq, index, code, message) => {
      if (r.faults.length < maxFaults) r.faults.push({ seq, index, code, message });
    };
    let b;
    try { // 1
      b = r.bundle = readBundle(bytes);
    } catch (e) {
      fault(null, null, "unreadable", e.message); // an engine's own limits count too
      return r;
    }
    const key = readKey(keyText); // 2
    if (b.key !== keyText || key === null) {
      fault(null, null, "key", "the bundle is of the log with the key " + b.key + ", which is not the expected one");
      return r;
    }
    r.key = key;
    const note = splitNote(b.checkpoint), lines = note === null ? [] : note.text.split("\n"); // 3
    const rootHash = lines.length === 4 ? base64(lines[2], true) : null;
    if (rootHash === null || rootHash.length !== 32 || lines[0] === "" || !/^(0|[1-9]\d{0,15})$/.test(lines[1]) || !Number.isSafeInteger(Number(lines[1]))) {
      fault(null, null, "checkpoint", "the checkpoint has not its form");
      return r;
    }
    if (lines[0] !== key.name || !signed(note, key)) {
      fault(null, null, "signature", "the checkpoint is not signed by the key");
      return r;
    }
    const tree = r.tree = { origin: lines[0], size: Number(lines[1]), root: rootHash };
    const nodes = b.hashes.map(unhex), path = (places) => places.map((at) => nodes[at]);

    let link = null; // the hash that the next commit must follow
    b.commits.forEach((c, i) => { // 4
      const follows = link, stored = readCommit(c.bytes), hash = sha256(c.bytes);
      link = null;
      r.commits.push(stored);
      if (i > 0 && c.seq <= b.commits[i - 1].seq) fault(c.seq, null, "order", "it stands behind sequence " + b.commits[i - 1].seq);
      if (c.seq < 1 || c.seq > tree.size) {
        fault(c.seq, null, "order", "the checkpoint covers sequences 1 to " + tree.size);
        return;
      }
      const logged = (statement) => included(statement, c.seq, path(c.proof), tree);
      if (stored !== null && c.statement === statementOf(stored, c.seq, hash)) {
        if (!logged(c.statement)) {
          fault(c.seq, null, "proof", "the proof does not lead from the commit to the checkpoint: the proof was altered, or the log has no such commit");
          return;
        }
      } else if (logged(c.statement)) {
        fault(c.seq, null, "commit", "it is not the commit that the log has at this sequence");
        return;
      } else {
        fault(c.seq, null, "statement", "the statement is not what the log says at this sequence");
        return;
      }
      if (stored.profile !== b.manifest.profile) fault(c.seq, null, "profile", "the commit is of the profile " + stored.profile);
      if (follows !== null && stored.prev !== hexOf(follows)) {
        fault(c.seq, null, "chain", "it follows the commit with the hash " + stored.prev + ", which is not the one before it here: one was left out or put in");
      }
      link = hash;
      c.values.forEach((v, k) => {
        const e = stored.events[v.index];
        if (k > 0 && v.index <= c.values[k - 1].index) fault(c.seq, v.index, "place", "values must stand in the order of their events, one for each");
        else if (e === undefined) fault(c.seq, v.index, "place", "the commit has " + stored.events.length + " events");
        else if (e.commitment === undefined) fault(c.seq, v.index, "place", "the event has no value");
        else {
          const payload = concat(unhex(v.salt), encodeUTF8("typed" in v ? v.value + "\0" + v.typed : v.value));
          if (hexOf(sha256(payload)) !== e.commitment) fault(c.seq, v.index, "value", "value, salt or what was typed is not what was committed to");
          else e.disclosed = v;
        }
      });
    });

    const m = b.manifest, last = b.commits.length - 1, lastStored = r.commits[last]; // 5
    const values = b.commits.reduce((n, c) => n + c.values.length, 0);
    const wrong = (member) => fault(null, null, "manifest", member + " in the manifest is not as in the bundle");
    if (m.commits !== b.commits.length) wrong("commits");
    if (r.commits.every((c) => c !== null) && m.events !== r.commits.reduce((n, c) => n + c.events.length, 0)) wrong("events");
    if (m.values !== values) wrong("values");
    if (m.first.seq !== b.commits[0].seq) wrong("first.seq");
    if (r.commits[0] !== null && m.first.prev !== r.commits[0].prev) wrong("first.prev");
    if (m.last.seq !== b.commits[last].seq) wrong("last.seq");
    if (m.last.hash !== hexOf(sha256(b.commits[last].bytes))) wrong("last.hash");
    if (m.erased && values > 0) wrong("erased");

    const head = readStatement(m.head.statement); // 6
    if (head === null || head.seq > tree.size || !included(m.head.statement, head.seq, path(m.head.proof), tree)) {
      fault(null, null, "head", "the log does not say what the manifest gives as its statement about the profile's last commit");
      return r;
    }
    const receipt = splitNote(m.head.receipt);
    if (receipt === null || !receipt.text.startsWith("vitae receipt v1\n") || !signed(receipt, key)) {
      fault(null, null, "signature", "the receipt about the profile's last commit is not signed by the key");
      return r;
    }
    r.head = head;
    const lines6 = ["vitae receipt v1", "head", "profile " + head.profile, "seq " + head.seq, "hash " + head.hash, "tree " + tree.size, ""];
    if (head.profile !== m.profile) fault(null, null, "head", "the statement is about the profile " + head.profile);
    else if (receipt.text !== lines6.join("\n")) fault(null, null, "head", "the receipt is about another commit, or another size of the log");
    else if (head.seq < b.commits[last].seq) fault(null, null, "head", "the profile's last commit is said to have sequence " + head.seq + ", and there is a later one");
    else if (head.seq === b.commits[last].seq && m.head.statement !== b.commits[last].statement) fault(null, null, "head", "there are two statements about sequence " + head.seq);
    else if (head.seq === b.commits[last].seq && lastStored !== null && lastStored.events.some((e) => e.op === "erased") !== m.erased) wrong("erased");
    return r;
  };

  return { verify, base64, sha256, sha512, ed25519, hexOf, encodeUTF8 };
})();
