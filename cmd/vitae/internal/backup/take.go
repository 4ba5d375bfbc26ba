package backup

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger"
	"vitae/ledger/stream"
	"vitae/ledger/vault"
	"vitae/sinks"
)

// Source is a running ledger.
type Source struct {
	JS     jetstream.JetStream
	Ledger *stream.Ledger
	Vault  *vault.Vault
	Master []byte
}

// Request is what a backup is to be.
type Request struct {
	Seal
	// Since is the file that this one builds on; nil makes a whole one. Data files only.
	Since *Manifest `json:"since,omitempty"`
	// Keys asks for the keys file instead of the data.
	Keys bool `json:"-"`
}

// ErrOtherLedger says that a file cannot be built on: it is of another ledger, or of a
// history that this one no longer has. Make a whole backup.
var ErrOtherLedger = errors.New("the earlier backup is not one of this ledger as it is now: make a whole backup, without --since")

const (
	ledgerStream = "LEDGER-0"
	kvPrefix     = "KV_"
	vaultBucket  = kvPrefix + vault.KeysBucket
	leaseBucket  = kvPrefix + "LEASES" // who runs what at this moment
	logBucket    = kvPrefix + "LOG"    // the log's signed checkpoint, which follows the ledger
)

// Backup is one that was begun: what follows the ledger is set aside, and the ledger's
// head is taken. Write it, and Close it.
type Backup struct {
	Manifest Manifest
	src      Source
	since    *Manifest
	seal     Seal
	spool    *os.File // frames of all streams but the ledger's
}

// Begin fixes what a backup will hold. Errors: ErrOtherLedger.
func Begin(ctx context.Context, src Source, r Request) (_ *Backup, err error) {
	b := &Backup{src: src, since: r.Since, seal: r.Seal, Manifest: Manifest{Kind: Data, ID: ledger.NewID(time.Now()), At: time.Now().UTC().Truncate(time.Millisecond),
		Lineage: src.Ledger.Lineage(), Sealed: r.kind()}}
	if r.Keys {
		b.Manifest.Kind, b.since = Keys, nil
	}
	if b.since != nil {
		if b.since.Lineage != b.Manifest.Lineage || b.since.Kind != Data {
			return nil, ErrOtherLedger
		}
		b.Manifest.Parent = b.since.ID
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	infos, err := streamsOf(ctx, src.JS)
	if err != nil {
		return nil, err
	}
	if !r.Keys {
		if b.spool, err = os.CreateTemp("", "vitae-backup-"); err != nil {
			return nil, err
		}
		for _, info := range infos {
			if info.Config.Name == logBucket {
				if err := b.setLogAside(ctx); err != nil {
					return nil, err
				}
			}
			if strings.HasPrefix(info.Config.Name, kvPrefix) || info.Config.Name == ledgerStream {
				continue
			}
			if err := b.setAside(ctx, info.Config.Name); err != nil {
				return nil, err
			}
		}
	}
	// Everything that follows the ledger is behind us: nothing in it knows more than this.
	head, err := src.Ledger.Head(ctx)
	if err != nil {
		return nil, err
	}
	b.Manifest.Head = Head{Seq: head.Seq, Pos: head.Pos, Hash: head.Hash}
	if err := b.buildsOn(ctx); err != nil {
		return nil, err
	}
	for _, info := range infos {
		name := info.Config.Name
		switch isVault := name == vaultBucket; {
		case name == ledgerStream && !r.Keys:
			b.Manifest.Streams = append(b.Manifest.Streams, Stream{Name: name, Created: info.Created.UTC(), To: head.Pos, Config: plain(info.Config)})
		case strings.HasPrefix(name, kvPrefix) && name != leaseBucket && name != logBucket && isVault == r.Keys:
			if err := b.addBucket(ctx, name); err != nil {
				return nil, err
			}
		}
	}
	return b, nil
}

// Close removes what was set aside.
func (b *Backup) Close() error {
	if b.spool == nil {
		return nil
	}
	return errors.Join(b.spool.Close(), os.Remove(b.spool.Name()))
}

func streamsOf(ctx context.Context, js jetstream.JetStream) ([]*jetstream.StreamInfo, error) {
	list := js.ListStreams(ctx)
	var out []*jetstream.StreamInfo
	for info := range list.Info() {
		out = append(out, info)
	}
	if err := list.Err(); err != nil {
		return nil, unavailable("listing the streams", err)
	}
	// Who follows comes before whom it follows: the feed of changes, the lanes, the ledger.
	rank := func(name string) int {
		return slices.Index([]string{ledger.ChangesStream, sinks.LanesStream, ledgerStream}, name)
	}
	slices.SortFunc(out, func(a, b *jetstream.StreamInfo) int {
		return cmp.Or(rank(a.Config.Name)-rank(b.Config.Name), strings.Compare(a.Config.Name, b.Config.Name))
	})
	return out, nil
}

func unavailable(doing string, err error) error {
	return fmt.Errorf("backup: %s: %w: %w", doing, ledger.ErrUnavailable, err)
}

// plain is a configuration without what belongs to where the stream is now.
func plain(c jetstream.StreamConfig) jetstream.StreamConfig {
	c.Replicas, c.Placement, c.FirstSeq = 1, nil, 0
	return c
}

// buildsOn checks that the ledger still has the head of the file that this one builds on.
func (b *Backup) buildsOn(ctx context.Context) error {
	if b.since == nil || b.since.Head.Pos == 0 {
		return nil
	}
	e, err := b.src.Ledger.Blocks().Get(ctx, b.since.Head.Pos)
	if errors.Is(err, ledger.ErrNotFound) {
		return ErrOtherLedger
	}
	if err != nil {
		return err
	}
	if ledger.HashOf(e.Payload) != b.since.Head.Hash {
		return ErrOtherLedger
	}
	return nil
}

func (b *Backup) addBucket(ctx context.Context, name string) error {
	info, err := b.info(ctx, name)
	if err != nil {
		return err
	}
	out := Bucket{Name: name, Created: info.Created.UTC(), Revision: info.State.LastSeq, Config: plain(info.Config)}
	before := (*Bucket)(nil)
	if b.since != nil {
		before = b.since.bucket(name)
	}
	out.Whole = before == nil || !before.Created.Equal(out.Created) || before.Revision > out.Revision
	b.Manifest.Buckets = append(b.Manifest.Buckets, out)
	return nil
}

func (b *Backup) info(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	s, err := b.src.JS.Stream(ctx, name)
	if err != nil {
		return nil, unavailable("stream "+name, err)
	}
	return s.CachedInfo(), nil
}

// setLogAside copies the bucket of the transparency log to the spool: a checkpoint of more
// than the backup's ledger would be contradicted by every commit after a restore.
func (b *Backup) setLogAside(ctx context.Context) error {
	if err := b.addBucket(ctx, logBucket); err != nil {
		return err
	}
	index := len(b.Manifest.Buckets) - 1
	b.Manifest.Buckets[index].Whole = true
	if _, err := b.spool.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	return b.entries(ctx, newFrames(b.spool), index)
}

// setAsideTries bounds how often a stream is read that is being trimmed meanwhile.
const setAsideTries = 10

// setAside copies what is new in a stream to the spool. A stream that is trimmed while it
// is read is read again.
func (b *Backup) setAside(ctx context.Context, name string) error {
	start, err := b.spool.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	for range setAsideTries {
		if err := b.spool.Truncate(start); err != nil {
			return err
		}
		if _, err := b.spool.Seek(start, io.SeekStart); err != nil {
			return err
		}
		again, err := b.copyStream(ctx, name)
		if err != nil || !again {
			return err
		}
		b.Manifest.Streams = b.Manifest.Streams[:len(b.Manifest.Streams)-1]
	}
	return unavailable("stream "+name, errors.New("it is trimmed faster than it can be read"))
}

// copyStream says whether it must be done again. It adds the stream to the manifest.
func (b *Backup) copyStream(ctx context.Context, name string) (again bool, err error) {
	info, err := b.info(ctx, name)
	if err != nil {
		return false, err
	}
	s := Stream{Name: name, Created: info.Created.UTC(), To: info.State.LastSeq, Config: plain(info.Config)}
	from := uint64(1)
	if b.since != nil {
		if before := b.since.stream(name); before != nil && before.Created.Equal(s.Created) && before.To <= s.To {
			from = before.To + 1
		}
	}
	if info.State.FirstSeq > from {
		from, s.Whole = info.State.FirstSeq, true
	}
	s.Whole = s.Whole || from == 1
	b.Manifest.Streams = append(b.Manifest.Streams, s)
	if from > s.To || info.State.Msgs == 0 {
		return false, nil
	}
	out := newFrames(b.spool)
	next := from
	for m, err := range messages(ctx, b.src.JS, name, from) {
		if err != nil {
			return false, err
		}
		if m.pos != next {
			return true, nil
		}
		if err := out.message(message{Stream: len(b.Manifest.Streams) - 1, Pos: m.pos, Subject: m.subject, Header: m.header, Payload: m.payload}); err != nil {
			return false, err
		}
		if next++; m.pos == s.To {
			return false, nil
		}
	}
	return true, nil // it ended early: what was there has been taken out
}

// Write writes the whole file. progress is told how many bytes were written so far.
func (b *Backup) Write(ctx context.Context, to io.Writer, progress func(bytes uint64)) (err error) {
	line, err := json.Marshal(b.Manifest)
	if err != nil {
		return err
	}
	out := &counted{w: to, tell: progress}
	if err := opening(out, line); err != nil {
		return err
	}
	own := ownKey{}
	if b.Manifest.Kind == Keys {
		own, err = masterOwn(b.src.Master)
	} else {
		own = systemOwn(b.src.Vault)
	}
	if err != nil {
		return err
	}
	recipients, err := b.seal.recipients(own)
	if err != nil {
		return err
	}
	sealed, err := age.Encrypt(out, recipients...)
	if err != nil {
		return err
	}
	f := newFrames(sealed)
	if err := f.write(manifestFrame, line); err != nil {
		return err
	}
	if err := b.contents(ctx, f); err != nil {
		return err
	}
	if err := f.end(); err != nil {
		return err
	}
	return sealed.Close()
}

func (b *Backup) contents(ctx context.Context, f *frames) error {
	if b.spool != nil {
		if err := b.unspool(f); err != nil {
			return err
		}
	}
	for i, s := range b.Manifest.Streams {
		if s.Name == ledgerStream {
			if err := b.blocks(ctx, f, i); err != nil {
				return err
			}
		}
	}
	for i, bucket := range b.Manifest.Buckets {
		if bucket.Name == logBucket {
			continue // it was set aside
		}
		if err := b.entries(ctx, f, i); err != nil {
			return err
		}
	}
	return nil
}

// unspool passes on what was set aside: frames as they are.
func (b *Backup) unspool(f *frames) error {
	size, err := b.spool.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := b.spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in := newReader(b.spool)
	for at := int64(0); at < size; {
		kind, body, err := in.next()
		if err != nil {
			return err
		}
		if err := f.write(kind, body); err != nil {
			return err
		}
		at += int64(len(f.head) + len(body))
	}
	return nil
}

// blocks writes the ledger's blocks, and checks that each follows the one before it.
func (b *Backup) blocks(ctx context.Context, f *frames, index int) error {
	at := Head{}
	if b.since != nil {
		at = b.since.Head
	}
	if at.Pos == b.Manifest.Head.Pos {
		return nil
	}
	subject := b.Manifest.Streams[index].Config.Subjects[0]
	for e, err := range b.src.Ledger.Blocks().Read(ctx, at.Pos+1) {
		if err != nil {
			return err
		}
		if at, err = follows(at, e.Pos, e.Payload); err != nil {
			return fmt.Errorf("the ledger is damaged, run fsck: %w", err)
		}
		if err := f.message(message{Stream: index, Pos: e.Pos, Subject: subject, Payload: e.Payload}); err != nil {
			return err
		}
		if e.Pos == b.Manifest.Head.Pos {
			break
		}
	}
	if at != b.Manifest.Head {
		return errors.New("the ledger is damaged, run fsck: its blocks do not lead to its head")
	}
	return nil
}

// follows gives the head of a ledger after one more block, if it fits there.
func follows(at Head, pos uint64, payload []byte) (Head, error) {
	blk, err := ledger.ParseBlock(payload)
	switch {
	case err != nil:
		return at, fmt.Errorf("block %d: %w", pos, err)
	case pos != at.Pos+1:
		return at, fmt.Errorf("block %d comes after block %d", pos, at.Pos)
	case blk.First != at.Seq+1 || blk.Prev != at.Hash:
		return at, fmt.Errorf("block %d does not follow the one before it (sequence %d)", pos, at.Seq)
	}
	return Head{Seq: at.Seq + ledger.Seq(len(blk.Commits)), Pos: pos, Hash: ledger.HashOf(payload)}, nil
}

// entries writes what is new in a bucket, and, if that is not all there is, the names of
// what is there.
func (b *Backup) entries(ctx context.Context, f *frames, index int) error {
	bucket := b.Manifest.Buckets[index]
	prefix := strings.TrimSuffix(bucket.Config.Subjects[0], ">")
	changed := latest(ctx, b.src.JS, bucket.Name, true)
	if !bucket.Whole {
		changed = messages(ctx, b.src.JS, bucket.Name, b.since.bucket(bucket.Name).Revision+1)
	}
	for m, err := range changed {
		if err != nil {
			return err
		}
		key := strings.TrimPrefix(m.subject, prefix)
		if err := f.entry(entry{Bucket: index, Key: key, Gone: m.gone, Value: m.payload}); err != nil {
			return err
		}
	}
	if bucket.Whole {
		return nil
	}
	for m, err := range latest(ctx, b.src.JS, bucket.Name, false) {
		if err != nil {
			return err
		}
		if m.gone {
			continue
		}
		if err := f.live(index, strings.TrimPrefix(m.subject, prefix)); err != nil {
			return err
		}
	}
	return nil
}

// counted tells how much has passed.
type counted struct {
	w    io.Writer
	n    uint64
	tell func(uint64)
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if c.n += uint64(n); c.tell != nil {
		c.tell(c.n)
	}
	return n, err
}

// headerOf is a message's header as it goes into a file: without what was said to the
// engine when it was stored.
func headerOf(h nats.Header) ([]byte, error) {
	var b bytes.Buffer
	keep := nats.Header{}
	for k, v := range h {
		if !strings.HasPrefix(k, "Nats-Expected-") && !strings.HasPrefix(k, "Nats-Batch-") {
			keep[k] = v
		}
	}
	if len(keep) == 0 {
		return nil, nil
	}
	for _, k := range sortedKeys(keep) {
		for _, v := range keep[k] {
			if strings.ContainsAny(k+v, "\r\n") {
				return nil, errors.New("a message's header has a line end in it")
			}
			fmt.Fprintf(&b, "%s: %s\r\n", k, v)
		}
	}
	return b.Bytes(), nil
}

func sortedKeys(h nats.Header) []string {
	var out []string
	for k := range h {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// parseHeader reads what headerOf made.
func parseHeader(b []byte) (nats.Header, error) {
	if len(b) == 0 {
		return nil, nil
	}
	h := nats.Header{}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(b), "\r\n"), "\r\n") {
		k, v, ok := strings.Cut(line, ": ")
		if !ok || k == "" {
			return nil, errFrame
		}
		h[k] = append(h[k], v)
	}
	return h, nil
}
