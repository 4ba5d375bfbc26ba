package fault

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/client"
	"golang.org/x/mod/sumdb/note"

	"vitae/ledger/engine/enginetest"
	"vitae/test/harness"
)

// follower is somebody who follows the log with a client that shares no code with it.
type follower struct {
	t        *testing.T
	fetch    *client.HTTPFetcher
	verifier note.Verifier
	tracker  *client.LogStateTracker
	seen     map[uint64][]byte // roots of the checkpoints, by size
	looks    int
}

// follow begins with what the server says now.
func follow(t *testing.T, s *harness.Server) *follower {
	t.Helper()
	base, err := url.Parse("http://" + s.Addr + "/log/")
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{t: t, seen: map[uint64][]byte{}}
	if f.fetch, err = client.NewHTTPFetcher(base, http.DefaultClient); err != nil {
		t.Fatal(err)
	}
	if f.verifier, err = note.NewVerifier(strings.TrimSpace(string(s.Client("").Must(200, http.MethodGet, "/log/key", nil).Body))); err != nil {
		t.Fatal(err)
	}
	f.tracker, err = client.NewLogStateTracker(context.Background(), f.fetch.ReadTile, nil, f.verifier, f.verifier.Name(), client.UnilateralConsensus(f.fetch.ReadCheckpoint))
	if err != nil {
		t.Fatal(err)
	}
	f.note()
	return f
}

func (f *follower) note() {
	c := f.tracker.Latest()
	if was := f.seen[c.Size]; was != nil && !bytes.Equal(was, c.Hash) {
		f.t.Errorf("two checkpoints of size %d: %x and %x", c.Size, was, c.Hash)
	}
	f.seen[c.Size] = c.Hash
	f.looks++
}

// look fetches the newest checkpoint and verifies that it goes on from the one before. A
// server that is away is waited for.
func (f *follower) look(ctx context.Context) {
	_, _, _, err := f.tracker.Update(ctx)
	var fork client.ErrInconsistency
	if errors.As(err, &fork) {
		f.t.Errorf("a checkpoint that contradicts an earlier one: %v", err)
	}
	if err == nil {
		f.note()
	}
}

// check verifies that every checkpoint ever seen is in the line of the last one, that the
// entries are what the root says, and gives them.
func (f *follower) check(ctx context.Context) [][]byte {
	f.t.Helper()
	last := f.tracker.Latest()
	builder, err := client.NewProofBuilder(ctx, last.Size, f.fetch.ReadTile)
	if err != nil {
		f.t.Fatal(err)
	}
	for size, root := range f.seen {
		if size == 0 || size == last.Size {
			continue
		}
		hashes, err := builder.ConsistencyProof(ctx, size, last.Size)
		if err != nil {
			f.t.Fatal(err)
		}
		if err := proof.VerifyConsistency(rfc6962.DefaultHasher, size, last.Size, hashes, root, last.Hash); err != nil {
			f.t.Errorf("the checkpoint of size %d is not in the line of that of %d: %v", size, last.Size, err)
		}
	}
	var entries [][]byte
	tree := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	for i := uint64(0); i*256 < last.Size; i++ {
		bundle, err := client.GetEntryBundle(ctx, f.fetch.ReadEntryBundle, i, last.Size)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, e := range bundle.Entries {
			entries = append(entries, e)
			if err := tree.Append(rfc6962.DefaultHasher.HashLeaf(e), nil); err != nil {
				f.t.Fatal(err)
			}
		}
	}
	root, err := tree.GetRootHash(nil)
	if err != nil || !bytes.Equal(root, last.Hash) || uint64(len(entries)) != last.Size {
		f.t.Errorf("%d entries have the root %x, the checkpoint of %d says %x (%v)", len(entries), root, last.Size, last.Hash, err)
	}
	return entries
}

// covered waits until a commit is in the log, proves it with the server's own proof and
// somebody else's code, and brings the follower there.
func (f *follower) covered(c *harness.Client, seq uint64) {
	f.t.Helper()
	var p struct {
		LeafIndex, TreeSize  uint64
		LeafHash, Checkpoint string
		Hashes               []string
	}
	c.Must(200, http.MethodGet, fmt.Sprint("/v1/log/proof?seq=", seq), nil).Into(f.t, &p)
	f.look(context.Background())
	n, err := note.Open([]byte(p.Checkpoint), note.VerifierList(f.verifier))
	if err != nil {
		f.t.Fatal(err)
	}
	var path [][]byte
	for _, h := range append(p.Hashes, p.LeafHash) {
		b, err := hex.DecodeString(h)
		if err != nil {
			f.t.Fatal(err)
		}
		path = append(path, b)
	}
	root, err := base64.StdEncoding.DecodeString(strings.Split(n.Text, "\n")[2])
	if err != nil {
		f.t.Fatal(err)
	}
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, p.LeafIndex, p.TreeSize, path[len(path)-1], path[:len(path)-1], root); err != nil {
		f.t.Errorf("sequence %d: %v", seq, err)
	}
	if got := f.tracker.Latest().Size; p.TreeSize < seq || got < p.TreeSize || p.LeafIndex != seq-1 {
		f.t.Errorf("sequence %d: leaf %d of %d, the follower is at %d", seq, p.LeafIndex, p.TreeSize, got)
	}
}

// statements checks that the log's entries say of every commit what the history says.
func statements(t *testing.T, c *harness.Client, entries [][]byte, profiles []string) {
	t.Helper()
	type statement struct {
		Seq                         uint64
		Commit, Profile, Prev, Hash string
	}
	said := map[uint64]statement{}
	for i, e := range entries {
		var s statement
		if err := json.Unmarshal(e, &s); err != nil || s.Seq != uint64(i+1) {
			t.Fatalf("leaf %d says %q: %v", i, e, err)
		}
		said[s.Seq] = s
	}
	commits := map[uint64]bool{}
	for _, id := range profiles {
		for _, e := range c.MustHistory(id) {
			if s := said[e.Seq]; s.Hash != e.Hash || s.Prev != e.Prev || s.Profile != id || s.Commit != e.Commit {
				t.Fatalf("sequence %d: the log says %+v, the history %+v", e.Seq, s, e)
			}
			commits[e.Seq] = true
		}
	}
	if len(commits) != len(entries) {
		t.Errorf("the log has %d entries, the histories %d commits", len(entries), len(commits))
	}
}

// TestLogUnderKill9: a follower with a standard client watches the log while 16 clients
// write and the server is killed again and again. It never sees two histories.
func TestLogUnderKill9(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	admin := read(t, s, "admin.key")
	c := s.Client(admin)
	var profiles []string
	for range 16 {
		profiles = append(profiles, c.Create(map[string]any{"firstName": "Jane"}))
	}
	f := follow(t, s)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	acks := make(chan struct{}, 1<<20) // room for all there can be: nobody waits to be counted
	var writing, watching sync.WaitGroup
	for w, id := range profiles {
		writing.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				call := harness.Call{Method: http.MethodPatch, Path: harness.Profile(id), Body: fmt.Appendf(nil, `{"headline":"w%d-%d"}`, w, n)}
				if r, err := c.Do(ctx, call); err == nil && r.Status == 200 {
					acks <- struct{}{}
				}
			}
		})
	}
	watching.Go(func() {
		for ctx.Err() == nil {
			f.look(ctx)
		}
	})
	const kills = 4
	for range kills {
		await(t, acks, 300)
		s.Kill9()
		s.Restart()
	}
	await(t, acks, 300)
	stop()
	writing.Wait()
	watching.Wait()
	last := c.Must(200, http.MethodPatch, harness.Profile(profiles[0]), map[string]any{"headline": "the last"}).Edit(t)
	f.covered(c, last.Seq)
	statements(t, c, f.check(context.Background()), profiles)
	if len(f.seen) < kills {
		t.Errorf("the follower saw %d checkpoints only", len(f.seen))
	}
	t.Logf("%d commits, %d checkpoints seen in %d looks", last.Seq, len(f.seen), f.looks)
}

// await takes n acknowledgements.
func await(t *testing.T, acks <-chan struct{}, n int) {
	t.Helper()
	patience := time.After(time.Minute)
	for i := range n {
		select {
		case <-acks:
		case <-patience:
			t.Fatalf("%d edits were acknowledged, %d were waited for", i, n)
		}
	}
}

// TestLogOfTwoInstances: two servers on one engine have one key and one line of
// checkpoints, whichever is asked, also when one of them is killed.
func TestLogOfTwoInstances(t *testing.T) {
	nats := enginetest.StartServer(t)
	first := harness.Start(t, harness.Options{Config: "replicas = 1\n" + harness.Fast(""), Args: []string{"--nats", nats}})
	admin, master := read(t, first, "admin.key"), read(t, first, "master.key")
	second := harness.Start(t, harness.Options{Config: "replicas = 1\n" + harness.Fast(""), Args: []string{"--nats", nats},
		Env: []string{"VITAE_ADMIN_KEY=" + admin, "VITAE_MASTER_KEY=" + master}})
	a, b := first.Client(admin), second.Client(admin)
	id := a.Create(map[string]any{"firstName": "Jane"})
	fa, fb := follow(t, first), follow(t, second)
	if fa.verifier.Name() != fb.verifier.Name() || fa.verifier.KeyHash() != fb.verifier.KeyHash() {
		t.Fatal("the two instances have two keys")
	}
	seq := uint64(1)
	for n := range 20 {
		seq = a.Must(200, http.MethodPatch, harness.Profile(id), map[string]any{"headline": fmt.Sprint("a", n)}).Edit(t).Seq
		fa.covered(a, seq)
		fb.covered(b, seq)
	}
	first.Kill9()
	seq = b.Must(200, http.MethodPatch, harness.Profile(id), map[string]any{"headline": "alone"}, "Idempotency-Key", "alone").Edit(t).Seq
	fb.covered(b, seq)
	// What the first one's follower saw belongs to the line that the second one goes on with.
	for size, root := range fa.seen {
		if was := fb.seen[size]; was != nil && !bytes.Equal(was, root) {
			t.Errorf("two checkpoints of size %d", size)
		}
		fb.seen[size] = root
	}
	statements(t, b, fb.check(context.Background()), []string{id})
}
