package proof

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vitae/ledger"
)

// Block is a block of the ledger as it is followed: its link, its hash as stored, and
// its commits.
type Block struct {
	Prev, Hash ledger.Hash
	Commits    []ledger.Record
}

// Source is the ledger. Blocks come in order and with their chain checked; only the first
// may be cut to begin with the commit asked for.
type Source interface {
	// Lineage names this ledger among all others.
	Lineage() string
	// Head gives the last commit, and the hash of the block that ends with it; 0 and zero
	// in an empty ledger.
	Head(ctx context.Context) (ledger.Seq, ledger.Hash, error)
	// Follow yields the blocks from commit from on, and goes on until ctx ends.
	Follow(ctx context.Context, from ledger.Seq) iter.Seq2[Block, error]
}

// Store is the state that all instances share. Writes are on stable storage when they
// return nil.
type Store interface {
	// Get gives a value and its revision; ledger.ErrNotFound.
	Get(ctx context.Context, key string) ([]byte, uint64, error)
	// Create writes a key that has no value; ledger.ErrExists.
	Create(ctx context.Context, key string, value []byte) error
	// Update replaces the value of a revision; ledger.ErrConflict when there is another one.
	Update(ctx context.Context, key string, value []byte, revision uint64) error
}

// Sealer keeps the private key from those who can read the Store.
type Sealer interface {
	SealSystem(purpose, id string, plain []byte) ([]byte, error)
	OpenSystem(purpose, id string, sealed []byte) ([]byte, error)
}

// Config is what a log is made of.
type Config struct {
	Dir       string // of this instance's tiles; made when missing
	Source    Source
	Store     Store
	Sealer    Sealer
	Witnesses []string // verifier keys of those whose cosignatures are taken
	// Interval is the least time from one checkpoint to the next; 0 means 200 ms.
	Interval time.Duration
	// Still opens the log as it stands, for Audit: its tiles are neither read nor changed. It
	// serves nothing until it runs.
	Still bool
	Log   *slog.Logger
}

// Log is one instance's copy of the transparency log: its tiles, and the checkpoint that
// all instances share. All methods may be called from many goroutines.
type Log struct {
	cfg       Config
	log       *slog.Logger
	signer    *Signer
	witnesses []*witness
	running   atomic.Bool

	// What follows belongs to the goroutine of Run.

	builder   *builder
	published time.Time // when it was last tried
	saved     time.Time

	mu     sync.Mutex
	served Checkpoint    // the newest whose tiles are all there; Note is nil when there is none
	size   uint64        // leaves in the files
	loads  uint64        // how often the files were opened to be written
	hand   time.Time     // of the oldest commit taken that is not in the files; zero for none
	err    error         // what last went wrong; nil once something went right
	fork   *ForkError    // why nothing is signed; nil while there is no reason
	stop   error         // why Run ended for good
	news   chan struct{} // closed and replaced when what stands above changes
}

// Open opens the log in cfg.Dir, and makes its key if nobody has yet. It follows nothing:
// Run does. A checkpoint whose tiles are there is served at once.
func Open(ctx context.Context, cfg Config) (*Log, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	l := &Log{cfg: cfg, log: cfg.Log, news: make(chan struct{})}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.cfg.Interval = cmp.Or(cfg.Interval, defaultInterval)
	for _, vkey := range cfg.Witnesses {
		w, err := parseWitness(vkey)
		if err != nil {
			return nil, err
		}
		l.witnesses = append(l.witnesses, w)
	}
	var err error
	if l.signer, err = openSigner(ctx, cfg); err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	if err := l.checkKey(); err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	if cfg.Still {
		return l, nil
	}
	if err := l.load(); err != nil {
		var refused *RefusedError
		if !errors.As(err, &refused) {
			return nil, fmt.Errorf("open the log: %w", err)
		}
		l.failed(err)
		return l, nil
	}
	if err := l.recall(); err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	return l, nil
}

// load reads the tiles that are on disk.
func (l *Log) load() error {
	l.mu.Lock()
	l.loads++
	l.mu.Unlock()
	b, made, err := newBuilder(l.cfg.Dir, l.cfg.Source.Lineage())
	if err != nil {
		l.builder = nil
		return err
	}
	if made != nil {
		l.log.Warn("the log's files are made anew from the ledger", "reason", made.Error())
	}
	l.builder, l.saved = b, time.Now()
	l.visible()
	return nil
}

// visible lets readers have everything that is in the files. A checkpoint of more than
// that is not served any more.
func (l *Log) visible() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size, l.hand = l.builder.tree.size, time.Time{}
	if l.served.Size > l.size {
		l.served = Checkpoint{}
	}
	l.changed()
}

// changed wakes everybody who waits. The caller holds mu.
func (l *Log) changed() {
	close(l.news)
	l.news = make(chan struct{})
}

func (l *Log) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

// Signer signs with the log's key.
func (l *Log) Signer() *Signer { return l.signer }

// Key is the log's public key: see Signer.Key.
func (l *Log) Key() string { return l.signer.Key() }

// Origin is the log's name, the first line of its checkpoints.
func (l *Log) Origin() string { return l.signer.Origin() }

// originOf is the name of a ledger's log.
func originOf(lineage string) string { return "vitae/" + lineage }

// The keys in the Store.
const (
	signerKey     = "signer"
	checkpointKey = "checkpoint"
)

// openSigner reads the key that all instances share, or draws it.
func openSigner(ctx context.Context, cfg Config) (*Signer, error) {
	origin := originOf(cfg.Source.Lineage())
	sealed, _, err := cfg.Store.Get(ctx, signerKey)
	if errors.Is(err, ledger.ErrNotFound) {
		if known, err := os.ReadFile(filepath.Join(cfg.Dir, keyFile)); err == nil { // another key would be refused
			if sealed, err = getSoon(ctx, cfg.Store, signerKey); err != nil {
				return nil, fmt.Errorf("read the log's key, which is %s: %w; put back the store that keeps it. "+
					"Who follows the log will not accept another key. If it is lost for good, remove the folder %s to begin another log", strings.TrimSpace(string(known)), err, cfg.Dir)
			}
			return openSealed(cfg, origin, sealed)
		}
		s, err := NewSigner(origin)
		if err != nil {
			return nil, err
		}
		if sealed, err = cfg.Sealer.SealSystem("log", signerKey, []byte(s.vkey+"\n"+s.skey)); err != nil {
			return nil, err
		}
		if err = cfg.Store.Create(ctx, signerKey, sealed); err == nil {
			return s, nil
		}
		if !errors.Is(err, ledger.ErrExists) {
			return nil, fmt.Errorf("store the log's key: %w", err)
		}
		// Another instance was first. A replica may not know yet what it wrote.
		sealed, err = getSoon(ctx, cfg.Store, signerKey)
		if err != nil {
			return nil, fmt.Errorf("read the log's key: %w", err)
		}
	} else if err != nil {
		return nil, fmt.Errorf("read the log's key: %w", err)
	}
	return openSealed(cfg, origin, sealed)
}

// openSealed opens the key as the Store has it.
func openSealed(cfg Config, origin string, sealed []byte) (*Signer, error) {
	plain, err := cfg.Sealer.OpenSystem("log", signerKey, sealed)
	if err != nil {
		return nil, fmt.Errorf("open the log's key: %w", err)
	}
	s, err := splitSigner(string(plain))
	if err == nil && s.Origin() != origin {
		err = fmt.Errorf("the log's key is that of %q, but the ledger is %q: the bucket of the log belongs to another ledger", s.Origin(), origin)
	}
	return s, err
}

// splitSigner reads a key as openSigner stores it.
func splitSigner(text string) (*Signer, error) {
	vkey, skey, _ := strings.Cut(text, "\n")
	return parseSigner(skey, vkey)
}

// keyFile has the public key, so that another key in the Store is noticed.
const keyFile = "key"

// checkKey refuses a key that is not the one this instance knows.
func (l *Log) checkKey() error {
	path := filepath.Join(l.cfg.Dir, keyFile)
	known, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return replace(path, []byte(l.Key()+"\n"), true)
	case err != nil:
		return err
	case string(known) != l.Key()+"\n":
		return fmt.Errorf("the log's key is %s, but it was %s: the store that keeps it is another one, or an older copy. "+
			"Put the right one back; who follows the log will not accept another key. If it is lost for good, remove the folder %s to begin another log",
			l.Key(), strings.TrimSpace(string(known)), l.cfg.Dir)
	}
	return nil
}

// patience bounds how long a replica may not know what another one has acknowledged.
const patience = 5 * time.Second

// getSoon reads a key that is there, from a store that may be behind.
func getSoon(ctx context.Context, s Store, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		value, _, err := s.Get(ctx, key)
		if !errors.Is(err, ledger.ErrNotFound) {
			return value, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// rememberedFile is the copy of the last checkpoint in the instance's own folder.
const rememberedFile = "checkpoint"

// remembered is the last checkpoint that this instance has seen; ledger.ErrNotFound when
// it has seen none, or what it wrote is torn.
func (l *Log) remembered() (Checkpoint, error) {
	raw, err := os.ReadFile(filepath.Join(l.cfg.Dir, rememberedFile))
	if errors.Is(err, os.ErrNotExist) {
		return Checkpoint{}, ledger.ErrNotFound
	}
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := ParseCheckpoint(raw, l.Key())
	if err != nil {
		l.log.Warn("the checkpoint in the log's folder cannot be read; it is not compared with", "reason", err.Error())
		return Checkpoint{}, ledger.ErrNotFound
	}
	return c, nil
}

// recall serves the remembered checkpoint if the tiles bear it out.
func (l *Log) recall() error {
	c, err := l.remembered()
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	if err != nil || c.Size > l.builder.tree.size {
		return err
	}
	root, err := l.rootAt(c.Size)
	if err == nil && root == c.Root {
		l.serve(c)
	}
	if errors.Is(err, ErrDamaged) {
		return nil // publish says so
	}
	return err
}
