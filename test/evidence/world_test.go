package evidence

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"vitae/ledger"
	"vitae/ledger/proof"
)

const origin = "example.com/ledger"

// world is a ledger of a few profiles with its log, made of a seed: the same seed gives
// the same bytes. The tree and the signatures are the work of the standard packages, not of
// what is tested.
type world struct {
	t        testing.TB
	rng      *rand.Rand
	signer   note.Signer
	key      string
	profiles []ledger.ProfileID
	heads    map[ledger.ProfileID]*ledger.Record
	records  []*ledger.Record // by sequence, from 1 at 0
	clear    map[ledger.Seq][]proof.EvidenceValue
	stored   []tlog.Hash
}

func keyOf(t testing.TB, name string, seed byte) (note.Signer, string) {
	t.Helper()
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	vkey, err := note.NewEd25519VerifierKey(name, private.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%s+%s", name, strings.Split(vkey, "+")[1], base64.StdEncoding.EncodeToString(append([]byte{1}, private.Seed()...))))
	if err != nil {
		t.Fatal(err)
	}
	return signer, vkey
}

func newWorld(t testing.TB, seed uint64, profiles int) *world {
	t.Helper()
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1)), heads: map[ledger.ProfileID]*ledger.Record{}, clear: map[ledger.Seq][]proof.EvidenceValue{}}
	w.signer, w.key = keyOf(t, origin, 7)
	for range profiles {
		var id ledger.ProfileID
		w.fill(id[:])
		id[0] &= 0x1f
		w.profiles = append(w.profiles, id)
	}
	return w
}

func (w *world) fill(b []byte) {
	for i := range b {
		b[i] = byte(w.rng.Uint32())
	}
}

// values that a text format can stumble over.
var values = []string{`"Jane"`, `"</script><b onclick=\"x\">&amp;"`, `"\u0000\u001f\\ \"\n"`, `"Zo\u00eb 日本語 🙂 é"`, `1.50`, `true`, `{"name":"A","n":[1,2,{}]}`,
	"\"\u2028\u2029\x7f\ufeff\"", `""`}

// commit appends a commit of n events to the ledger. The last one of them has the op.
func (w *world) commit(profile ledger.ProfileID, n int, op ledger.Op) *ledger.Record {
	w.t.Helper()
	seq := ledger.Seq(len(w.records) + 1)
	c := &ledger.Commit{Profile: profile, Time: time.UnixMilli(1_780_000_000_000 + int64(seq)*1234).UTC(), Meta: ledger.Meta{Actor: "admin", Via: "native"}}
	w.fill(c.ID[:])
	c.ID[0] &= 0x1f
	if head := w.heads[profile]; head != nil {
		c.Prev = head.Hash
	}
	if seq%3 == 0 {
		c.Meta.RequestID, c.SealedReason = "r-1", []byte("sealed reason")
	}
	if seq%5 == 0 {
		c.Idem = &ledger.Idem{}
	}
	for i := range n {
		e := ledger.Event{View: ledger.Shared, Field: "firstName", Op: ledger.OpSet}
		switch {
		case i == n-1 && op != ledger.OpSet:
			e = ledger.Event{View: ledger.Shared, Op: op}
		case w.rng.IntN(8) == 0:
			e = ledger.Event{View: ledger.Base, Field: "projects", Op: ledger.OpOrder, Order: []string{"a", "b,]"}[:w.rng.IntN(3)]}
			if len(e.Order) == 0 {
				e.Order = nil
				e.Op = ledger.OpRemove
				e.Item = "p1"
			}
		default:
			v := proof.EvidenceValue{Index: i, Value: values[w.rng.IntN(len(values))]}
			w.fill(v.Salt[:])
			if w.rng.IntN(4) == 0 {
				v.Typed = `"as typed \\"`
			}
			e.Salt, e.Value = v.Salt, ledger.Value(v.Value)
			if v.Typed != "" {
				e.Typed = ledger.Value(v.Typed)
			}
			e.Commitment = ledger.HashOf(e.Payload())
			e.Sealed = make([]byte, 20+w.rng.IntN(20))
			w.fill(e.Sealed)
			w.clear[seq] = append(w.clear[seq], v)
		}
		c.Events = append(c.Events, e)
	}
	raw, err := ledger.AppendCommit(nil, c)
	if err != nil {
		w.t.Fatal(err)
	}
	r := &ledger.Record{Seq: seq, Hash: ledger.HashOf(raw), Raw: raw, Commit: c}
	w.append(r)
	return r
}

// append puts a record at the end of ledger and log.
func (w *world) append(r *ledger.Record) {
	w.t.Helper()
	w.records = append(w.records, r)
	w.heads[r.Commit.Profile] = r
	more, err := tlog.StoredHashes(int64(r.Seq)-1, proof.StatementOf(r).Encode(), w)
	if err != nil {
		w.t.Fatal(err)
	}
	w.stored = append(w.stored, more...)
}

// ReadHashes implements tlog.HashReader.
func (w *world) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, n := range at {
		out[i] = w.stored[n]
	}
	return out, nil
}

// grow appends n commits of random profiles; every profile begins with created.
func (w *world) grow(n int) {
	w.t.Helper()
	for range n {
		p := w.profiles[w.rng.IntN(len(w.profiles))]
		if w.heads[p] == nil {
			w.commit(p, 1, ledger.OpCreated)
		} else {
			w.commit(p, 1+w.rng.IntN(5), ledger.OpSet)
		}
	}
}

func (w *world) size() uint64 { return uint64(len(w.records)) }

// sign signs any text as a note.
func (w *world) sign(text string) string {
	w.t.Helper()
	signed, err := note.Sign(&note.Note{Text: text}, w.signer)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(signed)
}

func (w *world) checkpoint() proof.Checkpoint {
	w.t.Helper()
	root, err := tlog.TreeHash(int64(w.size()), w)
	if err != nil {
		w.t.Fatal(err)
	}
	signed := w.sign(fmt.Sprintf("%s\n%d\n%s\n", origin, w.size(), base64.StdEncoding.EncodeToString(root[:])))
	return proof.Checkpoint{Origin: origin, Size: w.size(), Root: ledger.Hash(root), Note: []byte(signed)}
}

func (w *world) path(seq ledger.Seq) []ledger.Hash {
	w.t.Helper()
	p, err := tlog.ProveRecord(int64(w.size()), int64(seq)-1, w)
	if err != nil {
		w.t.Fatal(err)
	}
	out := make([]ledger.Hash, len(p))
	for i, h := range p {
		out[i] = ledger.Hash(h)
	}
	return out
}

// bundle exports a profile's commits from one sequence to another, with the values that
// show wants.
func (w *world) bundle(profile ledger.ProfileID, from, to ledger.Seq, show func(ledger.Seq, proof.EvidenceValue) bool) []byte {
	w.t.Helper()
	b := proof.NewEvidence(profile)
	for _, r := range w.records {
		if r.Commit.Profile != profile || r.Seq < from || r.Seq > to {
			continue
		}
		var shown []proof.EvidenceValue
		for _, v := range w.clear[r.Seq] {
			if show(r.Seq, v) {
				shown = append(shown, v)
			}
		}
		if err := b.Add(r, w.path(r.Seq), shown); err != nil {
			w.t.Fatal(err)
		}
	}
	head := w.heads[profile]
	receipt := w.sign(proof.HeadReceipt(proof.StatementOf(head), w.size()))
	out, err := b.Finish(w.checkpoint(), w.key, head, w.path(head.Seq), []byte(receipt))
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) whole(profile ledger.ProfileID) []byte {
	return w.bundle(profile, 0, ledger.Seq(w.size()), func(ledger.Seq, proof.EvidenceValue) bool { return true })
}
