package backup

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger"
)

// ErrRefused says that a file cannot be used: it is damaged, does not fit the others, or
// its key is another one. Nothing was made of it.
var ErrRefused = errors.New("the backup is refused")

func refused(format string, v ...any) error {
	return fmt.Errorf("%w: %w", ErrRefused, fmt.Errorf(format, v...))
}

// The kinds of files.
const (
	Data = "data"
	Keys = "keys"
)

// Manifest says what is in a file. It is its second line, in clear, and stands inside once
// more.
type Manifest struct {
	Kind string `json:"kind"`
	ID   string `json:"id"` // of the file
	// Parent is the file that this one builds on; "" for a whole one.
	Parent string    `json:"parent,omitempty"`
	At     time.Time `json:"at"`
	// Lineage names the ledger, Head is where the backup's ledger ends.
	Lineage string `json:"lineage"`
	Head    Head   `json:"head"`
	// Sealed says for whom: "keys" (the ledger's own keys), "recipients" or "passphrase".
	Sealed  string   `json:"sealed"`
	Streams []Stream `json:"streams,omitempty"`
	Buckets []Bucket `json:"buckets,omitempty"`
}

// Head is the last block of a ledger.
type Head struct {
	Seq  ledger.Seq  `json:"seq"`
	Pos  uint64      `json:"pos"`
	Hash ledger.Hash `json:"hash"`
}

// Stream is a stream of messages whose positions count: they are the same when restored.
type Stream struct {
	Name string `json:"name"`
	// Created tells this stream from one of the same name that was made anew.
	Created time.Time `json:"created"`
	// Whole: everything that the stream had is in this file, also with a parent.
	Whole  bool                   `json:"whole,omitempty"`
	To     uint64                 `json:"to"` // the last position
	Config jetstream.StreamConfig `json:"config"`
}

// Bucket is a key-value bucket: of every key its present value counts.
type Bucket struct {
	Name     string                 `json:"name"`
	Created  time.Time              `json:"created"`
	Whole    bool                   `json:"whole,omitempty"`
	Revision uint64                 `json:"revision"` // what is newer is in the next file, perhaps in this one too
	Config   jetstream.StreamConfig `json:"config"`
}

func (m *Manifest) stream(name string) *Stream {
	for i := range m.Streams {
		if m.Streams[i].Name == name {
			return &m.Streams[i]
		}
	}
	return nil
}

func (m *Manifest) bucket(name string) *Bucket {
	for i := range m.Buckets {
		if m.Buckets[i].Name == name {
			return &m.Buckets[i]
		}
	}
	return nil
}

const (
	magic = "vitae-backup/1"
	// maxManifest bounds the second line.
	maxManifest = 1 << 20
)

// opening writes the first two lines.
func opening(w io.Writer, manifest []byte) error {
	_, err := fmt.Fprintf(w, "%s\n%s\n", magic, manifest)
	return err
}

// ReadManifest reads the first two lines of a file; what follows is left in r. line is the
// second as it stands. Nothing that it says is certain before the file was read to its end.
func ReadManifest(r *bufio.Reader) (m Manifest, line []byte, err error) {
	first, err := readLine(r, len(magic)+1)
	if err != nil || string(first) != magic {
		return m, nil, refused("it does not begin with %q: it is no backup, or one of another version", magic)
	}
	if line, err = readLine(r, maxManifest); err != nil {
		return m, nil, refused("the manifest: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil || d.InputOffset() != int64(len(line)) {
		return m, nil, refused("the manifest cannot be read")
	}
	switch {
	case m.Kind != Data && m.Kind != Keys:
		return m, nil, refused("a file of kind %q", m.Kind)
	case m.ID == "" || m.Lineage == "":
		return m, nil, refused("the manifest names no file or no ledger")
	case m.Kind == Keys && m.Parent != "":
		return m, nil, refused("a keys file builds on no other")
	}
	return m, line, nil
}

func readLine(r *bufio.Reader, most int) ([]byte, error) {
	var line []byte
	for {
		b, err := r.ReadByte()
		if err != nil {
			return nil, io.ErrUnexpectedEOF
		}
		if b == '\n' {
			return line, nil
		}
		if line = append(line, b); len(line) > most {
			return nil, errors.New("the line is too long")
		}
	}
}

// Peek reads the manifest of a file that was just written.
func Peek(r io.Reader) (Manifest, error) {
	m, _, err := ReadManifest(bufio.NewReader(r))
	return m, err
}
