package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"vitae/ledger"
	"vitae/ledger/vault"
	"vitae/projections"
	"vitae/projections/internal/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a ledger with values sealed by a real vault.
type world struct {
	testing.TB
	ledger *fake.Ledger
	vault  *vault.Vault
	heads  map[ledger.ProfileID]ledger.Hash
	n      byte
	seq    ledger.Seq
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	v, err := vault.Open(context.Background(), vault.NewMemory(), bytes.Repeat([]byte{7}, vault.KeySize))
	if err != nil {
		tb.Fatal(err)
	}
	return &world{TB: tb, ledger: fake.New(), vault: v, heads: map[ledger.ProfileID]ledger.Hash{}}
}

// person creates a profile.
func (w *world) person() ledger.ProfileID {
	w.Helper()
	w.n++
	id := ledger.ProfileID{1, 15: w.n}
	if err := w.vault.Create(context.Background(), id); err != nil {
		w.Fatal(err)
	}
	w.commit(id, ledger.Event{View: ledger.Shared, Op: ledger.OpCreated})
	return id
}

// commit writes one commit in a block of its own, its values sealed.
func (w *world) commit(id ledger.ProfileID, events ...ledger.Event) {
	w.Helper()
	w.commitAs(id, ledger.Hash{}, events...)
}

// commitAs is commit with the commitment wrong on its values, unless that is zero.
func (w *world) commitAs(id ledger.ProfileID, wrong ledger.Hash, events ...ledger.Event) {
	w.Helper()
	w.seq++
	c := &ledger.Commit{ID: commitID(w.seq), Profile: id, Time: fake.Start, Prev: w.heads[id], Events: events}
	for i := range events {
		e := &events[i]
		if e.Value == nil {
			continue
		}
		e.Salt = ledger.NewSalt()
		payload := e.Payload()
		sealed, err := w.vault.Seal(id, c.ID, i, payload)
		if err != nil {
			w.Fatal(err)
		}
		e.Commitment, e.Sealed, e.Value = ledger.HashOf(payload), sealed, nil
		if !wrong.IsZero() {
			e.Commitment = wrong
		}
	}
	raw, err := ledger.AppendCommit(nil, c)
	if err != nil {
		w.Fatal(err)
	}
	w.heads[id] = ledger.HashOf(raw)
	w.ledger.Append(raw)
}

func commitID(seq ledger.Seq) ledger.CommitID {
	return ledger.CommitID{1, 14: byte(seq >> 8), 15: byte(seq)}
}

func (w *world) destroy(id ledger.ProfileID) {
	w.Helper()
	if err := w.vault.Destroy(context.Background(), id); err != nil {
		w.Fatal(err)
	}
}

func (w *world) config(dir string) Config {
	return Config{Config: projections.Config{Dir: dir, Source: w.ledger}, Opener: w.vault, Digester: w.vault}
}

func (w *world) open(dir string) *Directory {
	w.Helper()
	d, err := Open(context.Background(), w.config(dir))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := d.Close(); err != nil {
			w.Error(err)
		}
	})
	return d
}

// follow runs the directory in the background; the result stops it and gives its error.
func follow(d *Directory) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	return func() error {
		cancel()
		return <-ended
	}
}

// catchUp follows to the end of the ledger.
func (w *world) catchUp(d *Directory) {
	w.Helper()
	stop := follow(d)
	if err := d.Wait(context.Background(), w.seq); err != nil {
		w.Error(err)
	}
	if err := stop(); err != nil {
		w.Error(err)
	}
}

// account fails unless the account is found at want; the zero id is for nobody.
func (w *world) account(d *Directory, provider, account string, want ledger.ProfileID) {
	w.Helper()
	got, err := d.Account(context.Background(), provider, account, w.seq)
	w.found(provider+" "+account, got, err, want)
}

func (w *world) email(d *Directory, email string, want ledger.ProfileID) {
	w.Helper()
	ids, err := d.Emails(context.Background(), email, w.seq)
	var got ledger.ProfileID
	if len(ids) > 0 {
		got = ids[0]
	} else if err == nil {
		err = ledger.ErrNotFound
	}
	w.found(email, got, err, want)
}

func (w *world) found(what string, got ledger.ProfileID, err error, want ledger.ProfileID) {
	w.Helper()
	switch {
	case want.IsZero() && errors.Is(err, ledger.ErrNotFound):
	case err != nil || got != want:
		w.Errorf("at %d, %s is %s (%v), want %s", w.seq, what, got, err, want)
	}
}

// rows is how many claims there are.
func (w *world) rows(d *Directory) int64 {
	w.Helper()
	x, err := d.Describe(context.Background())
	if err != nil {
		w.Fatal(err)
	}
	return x.Rows
}

// rebuild makes the directory anew and fails unless it is the same.
func (w *world) rebuild(d *Directory) {
	w.Helper()
	report, err := d.Rebuild(context.Background(), nil)
	if err != nil || !report.Equal() {
		w.Errorf("rebuild: %+v, %v", report, err)
	}
}

func bound(provider, account string) ledger.Event {
	return connected(provider, fmt.Sprintf(`{"account":%q,"settings":{}}`, account))
}

func connected(provider, value string) ledger.Event {
	return ledger.Event{View: ledger.Shared, Field: ledger.Connections, Item: provider, Op: ledger.OpBound, Value: ledger.Value(value)}
}

func unbound(provider string) ledger.Event {
	return ledger.Event{View: ledger.Shared, Field: ledger.Connections, Item: provider, Op: ledger.OpDeleted}
}

func set(field, text string) ledger.Event {
	return ledger.Event{View: ledger.Shared, Field: field, Op: ledger.OpSet, Value: ledger.Value(fmt.Sprintf("%q", text))}
}

func cleared(field string) ledger.Event {
	return ledger.Event{View: ledger.Shared, Field: field, Op: ledger.OpClear}
}

func erased() ledger.Event { return ledger.Event{View: ledger.Shared, Op: ledger.OpErased} }

var nobody ledger.ProfileID

// TestFollow: what a profile is connected to and its address are found, as they are now.
func TestFollow(t *testing.T) {
	w := newWorld(t)
	d := w.open(t.TempDir())
	stop := follow(d)
	w.account(d, ledger.LinkedIn, "jane", nobody)
	jane := w.person()
	w.account(d, ledger.LinkedIn, "jane", nobody)
	w.commit(jane, bound(ledger.LinkedIn, "jane"), set("firstName", "x@example.com"), set("email", "Jane.Doe@Example.com"))
	w.account(d, ledger.LinkedIn, "jane", jane)
	w.account(d, ledger.LinkedIn, "Jane", nobody) // accounts are compared as they are
	w.account(d, ledger.PostPress, "jane", nobody)
	w.account(d, "email", "jane.doe@example.com", nobody)
	w.account(d, ledger.LinkedIn, "", nobody)
	w.email(d, "jane.doe@example.com", jane)
	w.email(d, "JANE.DOE@EXAMPLE.COM", jane)
	w.email(d, "x@example.com", nobody)
	w.email(d, "jane", nobody)
	w.email(d, "", nobody)

	w.commit(jane, bound(ledger.PostPress, "p-7"), connected(ledger.Mokaru, `{"settings":{"resume":"base"}}`))
	w.account(d, ledger.PostPress, "p-7", jane)
	w.account(d, ledger.Mokaru, "", nobody)
	if n := w.rows(d); n != 3 {
		t.Errorf("%d claims, want 3", n)
	}
	w.commit(jane, bound(ledger.LinkedIn, "jane2"), set("email", "jane@example.org"))
	w.account(d, ledger.LinkedIn, "jane", nobody)
	w.account(d, ledger.LinkedIn, "jane2", jane)
	w.email(d, "jane.doe@example.com", nobody)
	w.email(d, "jane@example.org", jane)
	w.commit(jane, connected(ledger.LinkedIn, `{"account":null,"settings":{}}`))
	w.account(d, ledger.LinkedIn, "jane2", nobody)
	w.commit(jane, unbound(ledger.PostPress), cleared("email"))
	w.account(d, ledger.PostPress, "p-7", nobody)
	w.email(d, "jane@example.org", nobody)
	if n := w.rows(d); n != 0 {
		t.Errorf("%d claims, want none", n)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	w.rebuild(d)
}

// TestFirstKeepsIt: of two profiles with one account the first is found until it lets go.
func TestFirstKeepsIt(t *testing.T) {
	for name, letGo := range map[string]ledger.Event{
		"another account": bound(ledger.LinkedIn, "other"), "no account": unbound(ledger.LinkedIn), "erased": erased(),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			d := w.open(t.TempDir())
			second, first := w.person(), w.person()
			w.commit(first, bound(ledger.LinkedIn, "jane"))
			w.commit(second, bound(ledger.LinkedIn, "jane"))
			w.commit(first, bound(ledger.LinkedIn, "jane")) // again, for a new credential: it is as old as it was
			w.catchUp(d)
			w.account(d, ledger.LinkedIn, "jane", first)
			w.commit(first, letGo)
			w.catchUp(d)
			w.account(d, ledger.LinkedIn, "jane", second)
			if letGo.Op != ledger.OpErased {
				w.commit(first, bound(ledger.LinkedIn, "jane"))
				w.catchUp(d)
				w.account(d, ledger.LinkedIn, "jane", second)
			}
			w.rebuild(d)
		})
	}
}

// TestErased: an erasure ends every claim, and a rebuild after it comes to the same without
// the key.
func TestErased(t *testing.T) {
	w := newWorld(t)
	d := w.open(t.TempDir())
	jane, joe := w.person(), w.person()
	w.commit(jane, bound(ledger.LinkedIn, "jane"), bound(ledger.Jarvi, jane.String()), set("email", "jane@example.com"))
	w.commit(joe, bound(ledger.LinkedIn, "joe"), set("email", "jane@example.com"))
	w.catchUp(d)
	if n := w.rows(d); n != 5 {
		t.Errorf("%d claims, want 5", n)
	}
	w.commit(jane, erased())
	w.catchUp(d)
	w.destroy(jane)
	check := func(d *Directory) {
		t.Helper()
		w.account(d, ledger.LinkedIn, "jane", nobody)
		w.account(d, ledger.Jarvi, jane.String(), nobody)
		w.account(d, ledger.LinkedIn, "joe", joe)
		w.email(d, "jane@example.com", joe)
		if n := w.rows(d); n != 2 {
			t.Errorf("%d claims, want 2", n)
		}
	}
	check(d)
	w.rebuild(d)
	check(d)
	fresh := w.open(t.TempDir()) // it never saw the key
	w.catchUp(fresh)
	check(fresh)
}

// TestKeyGoneBeforeItsErasure: a value that cannot be opened any more claims nothing, and
// takes the place of what was claimed before it.
func TestKeyGoneBeforeItsErasure(t *testing.T) {
	w := newWorld(t)
	d := w.open(t.TempDir())
	jane := w.person()
	w.commit(jane, bound(ledger.LinkedIn, "jane"), set("email", "jane@example.com"))
	w.catchUp(d)
	w.commit(jane, bound(ledger.LinkedIn, "jane2"))
	w.destroy(jane)
	w.catchUp(d)
	w.account(d, ledger.LinkedIn, "jane", nobody)
	w.account(d, ledger.LinkedIn, "jane2", nobody)
	w.email(d, "jane@example.com", jane)
	w.commit(jane, erased())
	w.catchUp(d)
	w.email(d, "jane@example.com", nobody)
	w.rebuild(d)
}

// TestNoClearValueInTheFile reads the bytes on disk, also those of SQLite's log.
func TestNoClearValueInTheFile(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	d := w.open(dir)
	jane := w.person()
	w.commit(jane, bound(ledger.LinkedIn, "urn-li-jane"), set("email", "Jane.Doe@Example.com"))
	w.commit(jane, bound(ledger.PostPress, "pp-4711"))
	w.catchUp(d)
	w.account(d, ledger.PostPress, "pp-4711", jane)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	if !bytes.Contains(all, jane[:]) {
		t.Fatal("the claims are not in what was read")
	}
	for _, value := range []string{"urn-li-jane", "pp-4711", "Jane.Doe", "jane.doe", "example.com", "Example.com"} {
		unkeyed := ledger.HashOf([]byte(value))
		if bytes.Contains(all, []byte(value)) || bytes.Contains(all, unkeyed[:]) {
			t.Errorf("%q is in the file", value)
		}
	}
}

// TestRestart: a directory opened again has what it had, and goes on from there.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	jane := w.person()
	w.commit(jane, bound(ledger.LinkedIn, "jane"))
	d := w.open(dir)
	w.catchUp(d)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Account(context.Background(), ledger.LinkedIn, "jane", 0); !errors.Is(err, projections.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	joe := w.person()
	w.commit(joe, bound(ledger.LinkedIn, "joe"))
	d = w.open(dir)
	if got, err := d.Account(context.Background(), ledger.LinkedIn, "jane", d.Position()); err != nil || got != jane {
		t.Errorf("after the restart: %s, %v", got, err)
	}
	w.catchUp(d)
	w.account(d, ledger.LinkedIn, "jane", jane)
	w.account(d, ledger.LinkedIn, "joe", joe)
	if at := d.Position(); at != w.seq {
		t.Errorf("position %d, want %d", at, w.seq)
	}
	w.rebuild(d)
}

// TestLookUpWaits: a look-up waits for the commit it is asked to see, within its context.
func TestLookUpWaits(t *testing.T) {
	w := newWorld(t)
	d := w.open(t.TempDir())
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	var behind *projections.BehindError
	_, err := d.Account(ended, ledger.LinkedIn, "jane", 2)
	if !errors.As(err, &behind) || !errors.Is(err, ledger.ErrUnavailable) || errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a look-up that cannot be served: %v", err)
	}
	if strings.Contains(err.Error(), "jane") {
		t.Errorf("the error says the account: %v", err)
	}
	type answer struct {
		id  ledger.ProfileID
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		id, err := d.Account(context.Background(), ledger.LinkedIn, "jane", 2)
		answers <- answer{id, err}
	}()
	stop := follow(d)
	jane := w.person()
	w.commit(jane, bound(ledger.LinkedIn, "jane"))
	if a := <-answers; a.err != nil || a.id != jane {
		t.Errorf("a look-up that waited: %s, %v", a.id, a.err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
