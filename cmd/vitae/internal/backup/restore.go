package backup

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger"
	"vitae/ledger/engine"
	"vitae/ledger/stream"
	"vitae/ledger/vault"
	"vitae/sinks"
)

// Load is what a data folder is to be made of.
type Load struct {
	Files  []string // data files, each building on the one before it
	Keys   string   // the keys file
	Dir    string   // the folder, which is made; the caller removes it after an error
	Master []byte
	Unseal Unseal
	Log    *slog.Logger
	// Progress is told how many bytes of the files were read, of how many; nil: nobody.
	Progress func(done, total uint64)
}

// Loaded is what came of it.
type Loaded struct {
	Lineage string     `json:"lineage"`
	Head    ledger.Seq `json:"head"`
	Files   int        `json:"files"`
	// Closed are the profiles whose keys were destroyed after the data was written.
	Closed []ledger.ProfileID `json:"closed,omitempty"`
}

// file is one file that is being read.
type file struct {
	path     string
	f        *os.File
	r        *bufio.Reader
	manifest Manifest
	line     []byte
	size     int64
}

func openFile(path string) (_ *file, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	one := &file{path: path, f: f, r: bufio.NewReaderSize(f, 1<<16), size: info.Size()}
	one.manifest, one.line, err = ReadManifest(one.r)
	return one, err
}

// Since reads the manifest of a file that a new backup is to build on.
func Since(path string) (*Manifest, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer f.f.Close()
	if f.manifest.Kind != Data {
		return nil, fmt.Errorf("%s: %w", path, refused("it is a keys file: give the data file"))
	}
	return &f.manifest, nil
}

// chain says whether the files fit together as they are given.
func chain(files []*file, keys *file) error {
	before := (*Manifest)(nil)
	for i, f := range files {
		m := &f.manifest
		switch {
		case m.Kind != Data:
			return fmt.Errorf("%s: %w", f.path, refused("it is a keys file: give it with --keys"))
		case before == nil && m.Parent != "":
			return fmt.Errorf("%s: %w", f.path, refused("it builds on the file with id %s: give that one before it", m.Parent))
		case before != nil && m.Parent == "":
			return fmt.Errorf("%s: %w", f.path, refused("it is a whole backup: nothing comes before it"))
		case before != nil && m.Parent != before.ID:
			return fmt.Errorf("%s: %w", f.path, refused("it builds on the file with id %s, but %s is %s", m.Parent, files[i-1].path, before.ID))
		case m.Lineage != files[0].manifest.Lineage:
			return fmt.Errorf("%s: %w", f.path, refused("it is of another ledger (%s)", m.Lineage))
		}
		before = m
	}
	k := &keys.manifest
	switch {
	case k.Kind != Keys:
		return fmt.Errorf("%s: %w", keys.path, refused("it is not a keys file"))
	case k.Lineage != before.Lineage:
		return fmt.Errorf("%s: %w", keys.path, refused("it is of another ledger (%s)", k.Lineage))
	case k.Head.Seq < before.Head.Seq:
		return fmt.Errorf("%s: %w", keys.path, refused("it is older than the data: it knows the ledger to sequence %d, the data goes to %d. "+
			"Give the newest keys file: an older one would lack keys, and have those of profiles that were erased since", k.Head.Seq, before.Head.Seq))
	}
	return nil
}

// loading is one run.
type loading struct {
	Load
	engine *engine.Engine
	js     jetstream.JetStream
	vault  *vault.Vault
	at     Head
	tails  map[string]uint64            // last position, by stream
	chains map[ledger.ProfileID]profile // by profile: its chain
	keys   map[string]map[[16]byte]bool // by bucket: what the last file says is there
	read   uint64
	total  uint64
}

type profile struct {
	hash   ledger.Hash
	erased bool
}

// Run makes a data folder of the files. On nil everything in it is on stable storage, all
// that the files say of each other and of themselves has been checked, every block follows
// the one before it and every profile's commits are one chain; the lanes know that they
// come from a backup. Values were not opened: package fsck does. After an error Dir may
// hold anything and must be removed. Errors: ErrRefused, with the file and the place.
func Run(ctx context.Context, in Load) (out Loaded, err error) {
	l := &loading{Load: in, tails: map[string]uint64{}, chains: map[ledger.ProfileID]profile{}, keys: map[string]map[[16]byte]bool{}}
	var files []*file
	defer func() {
		for _, f := range files {
			err = errors.Join(err, f.f.Close())
		}
	}()
	open := func(path string) (*file, error) {
		f, err := openFile(path)
		if err == nil {
			files = append(files, f)
			l.total += uint64(f.size)
		}
		return f, err
	}
	var data []*file
	for _, path := range in.Files {
		f, err := open(path)
		if err != nil {
			return out, err
		}
		data = append(data, f)
	}
	keys, err := open(in.Keys)
	if err != nil {
		return out, err
	}
	if len(data) == 0 {
		return out, errors.New("no data file was given")
	}
	if err := chain(data, keys); err != nil {
		return out, err
	}
	if l.engine, err = engine.Open(ctx, engine.Options{Dir: filepath.Join(in.Dir, "engine"), Log: in.Log, Loading: true}); err != nil {
		return out, err
	}
	l.js = l.engine.JetStream()
	err = l.all(ctx, data, keys)
	if err == nil {
		out = Loaded{Lineage: data[0].manifest.Lineage, Head: l.at.Seq, Files: len(data)}
		out.Closed, err = l.erasures(ctx)
	}
	if err == nil {
		err = l.mark(ctx, out.Lineage)
	}
	// The engine has synced nothing so far.
	err = errors.Join(err, l.engine.Close(context.WithoutCancel(ctx)))
	if err == nil {
		err = SyncTree(in.Dir)
	}
	return out, err
}

func (l *loading) all(ctx context.Context, data []*file, keys *file) error {
	own, err := masterOwn(l.Master)
	if err != nil {
		return err
	}
	if err := l.file(ctx, keys, own); err != nil {
		return fmt.Errorf("%s: %w", keys.path, err)
	}
	store, err := vault.OpenJetStream(ctx, l.js, 1)
	if err != nil {
		return err
	}
	if l.vault, err = vault.Open(ctx, store, l.Master); err != nil {
		return fmt.Errorf("%s: %w", keys.path, err)
	}
	// Opening the vault made the bucket of files: the data file brings its own.
	if err := l.js.DeleteStream(ctx, kvPrefix+vault.FilesBucket); err != nil {
		return err
	}
	for _, f := range data {
		if err := l.file(ctx, f, systemOwn(l.vault)); err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
	}
	for _, b := range data[len(data)-1].manifest.Buckets {
		if err := l.prune(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// counting is a file on its way through the seal.
type counting struct {
	l *loading
	r io.Reader
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.l.read += uint64(n); c.l.Progress != nil {
		c.l.Progress(min(c.l.read, c.l.total), c.l.total)
	}
	return n, err
}

// file takes one file in.
func (l *loading) file(ctx context.Context, f *file, own ownKey) error {
	sealed, err := l.Unseal.open(counting{l, f.r}, &f.manifest, own)
	if err != nil {
		return err
	}
	in := newReader(sealed)
	kind, body, err := in.next()
	if err != nil {
		return err
	}
	if kind != manifestFrame || !bytes.Equal(body, f.line) {
		return refused("its manifest is not the one that was sealed with it")
	}
	if err := l.prepare(ctx, &f.manifest); err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		kind, body, err := in.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if err := l.take(ctx, &f.manifest, kind, body); err != nil {
			if errors.Is(err, errFrame) {
				err = refused("frame %d: %w", in.n, err)
			}
			return err
		}
	}
	return l.complete(&f.manifest)
}

// complete checks that a file has brought what its manifest says.
func (l *loading) complete(m *Manifest) error {
	if m.Kind == Keys {
		return nil
	}
	if l.at != m.Head {
		return refused("its ledger ends at sequence %d, block %d; the manifest says sequence %d, block %d", l.at.Seq, l.at.Pos, m.Head.Seq, m.Head.Pos)
	}
	for _, s := range m.Streams {
		if tail, ok := l.tails[s.Name]; ok && tail != s.To {
			return refused("stream %s ends at %d; the manifest says %d", s.Name, tail, s.To)
		}
	}
	return nil
}

// prepare makes the streams and buckets of a file.
func (l *loading) prepare(ctx context.Context, m *Manifest) error {
	for _, s := range m.Streams {
		if s.Name == ledgerStream {
			if m.Parent == "" {
				if err := l.create(ctx, s.Config, 0); err != nil {
					return err
				}
			}
			if s.Config.Metadata["vitae.lineage"] != m.Lineage {
				return refused("the stream of its ledger has another name than its manifest says")
			}
			continue
		}
		if tail, there := l.tails[s.Name]; s.Whole || !there && m.Parent == "" {
			if there {
				if err := l.js.DeleteStream(ctx, s.Name); err != nil {
					return err
				}
			}
			delete(l.tails, s.Name)
			if s.To == 0 {
				if err := l.create(ctx, s.Config, 0); err != nil {
					return err
				}
			}
		} else if !there && s.To > 0 || tail > s.To {
			return refused("stream %s does not go on from the file before", s.Name)
		}
	}
	for _, b := range m.Buckets {
		if b.Whole {
			if err := l.js.DeleteStream(ctx, b.Name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
				return err
			}
			if err := l.create(ctx, b.Config, 0); err != nil {
				return err
			}
			delete(l.keys, b.Name)
			continue
		}
		l.keys[b.Name] = map[[16]byte]bool{}
	}
	return nil
}

func (l *loading) create(ctx context.Context, c jetstream.StreamConfig, first uint64) error {
	c.FirstSeq = first
	if _, err := l.js.CreateStream(ctx, c); err != nil {
		return refused("stream %s: %w", c.Name, err)
	}
	return nil
}

func (l *loading) take(ctx context.Context, m *Manifest, kind byte, body []byte) error {
	switch kind {
	case messageFrame:
		msg, err := parseMessage(body, len(m.Streams))
		if err != nil {
			return err
		}
		return l.message(ctx, &m.Streams[msg.Stream], msg)
	case entryFrame:
		e, err := parseEntry(body, len(m.Buckets))
		if err != nil {
			return err
		}
		return l.entry(ctx, &m.Buckets[e.Bucket], e)
	case liveFrame:
		b, key, err := parseLive(body, len(m.Buckets))
		if err != nil {
			return err
		}
		if live := l.keys[m.Buckets[b].Name]; live != nil {
			live[short(key)] = true
		}
		return nil
	}
	return errFrame
}

func short(key string) [16]byte {
	sum := sha256.Sum256([]byte(key))
	return [16]byte(sum[:16])
}

func (l *loading) message(ctx context.Context, s *Stream, m message) error {
	if s.Name == ledgerStream {
		if err := l.block(m); err != nil {
			return err
		}
	} else if tail, there := l.tails[s.Name]; !there {
		first := uint64(0)
		if m.Pos > 1 {
			first = m.Pos
		}
		if err := l.create(ctx, s.Config, first); err != nil {
			return err
		}
	} else if m.Pos != tail+1 {
		return refused("stream %s: position %d comes after %d", s.Name, m.Pos, tail)
	}
	header, err := parseHeader(m.Header)
	if err != nil {
		return err
	}
	ack, err := l.js.PublishMsg(ctx, &nats.Msg{Subject: m.Subject, Header: header, Data: m.Payload}, jetstream.WithExpectStream(s.Name))
	if err != nil {
		return fmt.Errorf("stream %s: %w", s.Name, err)
	}
	if ack.Sequence != m.Pos {
		return refused("stream %s: position %d became %d", s.Name, m.Pos, ack.Sequence)
	}
	l.tails[s.Name] = m.Pos
	return nil
}

// block checks one block of the ledger, and every commit in it against its profile's last.
func (l *loading) block(m message) error {
	at, err := follows(l.at, m.Pos, m.Payload)
	if err != nil {
		return refused("the ledger: %w", err)
	}
	b, err := ledger.ParseBlock(m.Payload)
	if err != nil {
		return refused("the ledger: block %d: %w", m.Pos, err)
	}
	for _, r := range b.Commits {
		p := l.chains[r.Commit.Profile]
		switch {
		case r.Commit.Prev != p.hash:
			return refused("the ledger: sequence %d does not follow the commit of profile %s before it", r.Seq, r.Commit.Profile)
		case p.erased:
			return refused("the ledger: sequence %d comes after profile %s was erased", r.Seq, r.Commit.Profile)
		}
		p.hash = r.Hash
		for i := range r.Commit.Events {
			p.erased = p.erased || r.Commit.Events[i].Op == ledger.OpErased
		}
		l.chains[r.Commit.Profile] = p
	}
	l.at = at
	return nil
}

func (l *loading) entry(ctx context.Context, b *Bucket, e entry) error {
	if e.Gone {
		return l.remove(ctx, b, e.Key)
	}
	_, err := l.js.PublishMsg(ctx, &nats.Msg{Subject: subjectOf(b, e.Key), Data: e.Value}, jetstream.WithExpectStream(b.Name))
	if err != nil {
		return fmt.Errorf("bucket %s: %w", b.Name, err)
	}
	return nil
}

func subjectOf(b *Bucket, key string) string {
	return strings.TrimSuffix(b.Config.Subjects[0], ">") + key
}

func (l *loading) remove(ctx context.Context, b *Bucket, key string) error {
	s, err := l.js.Stream(ctx, b.Name)
	if err != nil {
		return err
	}
	return s.Purge(ctx, jetstream.WithPurgeSubject(subjectOf(b, key)))
}

// prune takes out of a bucket what an earlier file had and the last one does not name.
func (l *loading) prune(ctx context.Context, b Bucket) error {
	live := l.keys[b.Name]
	if live == nil {
		return nil // the last file had all of it
	}
	prefix := strings.TrimSuffix(b.Config.Subjects[0], ">")
	for m, err := range latest(ctx, l.js, b.Name, false) {
		if err != nil {
			return err
		}
		if key := strings.TrimPrefix(m.subject, prefix); !live[short(key)] {
			if err := l.remove(ctx, &b, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// erasures ends the keys of the profiles that the ledger says are erased, and lists those
// that were erased after it.
func (l *loading) erasures(ctx context.Context) (closed []ledger.ProfileID, err error) {
	for id, p := range l.chains {
		if p.erased {
			if err := l.vault.Destroy(ctx, id); err != nil {
				return nil, err
			}
			continue
		}
		switch err := l.vault.Has(ctx, id); {
		case errors.Is(err, ledger.ErrErased):
			closed = append(closed, id)
		case err != nil:
			return nil, refused("the key of profile %s: %w", id, err)
		}
	}
	return closed, nil
}

// mark tells the lanes that they come from a backup.
func (l *loading) mark(ctx context.Context, lineage string) error {
	if _, there := l.tails[sinks.LanesStream]; !there {
		return nil
	}
	blocks, err := stream.OpenJetStream(ctx, l.js, sinks.Lanes(1))
	if err != nil {
		return err
	}
	return sinks.MarkRestored(ctx, blocks, lineage, l.at.Seq)
}

// SyncTree puts every file and folder below dir on stable storage.
func SyncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.Type().IsRegular() && !d.IsDir() {
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

// SyncFolder puts the names in a folder on stable storage.
func SyncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
