package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// The kinds of frames.
const (
	manifestFrame = 'M'
	messageFrame  = 'S'
	entryFrame    = 'E'
	liveFrame     = 'L'
	endFrame      = 'Z'
)

// maxFrame bounds a body, in bytes: more than the largest message that an engine takes.
const maxFrame = 64 << 20

// message is one message of a stream.
type message struct {
	Stream  int // in Manifest.Streams
	Pos     uint64
	Subject string
	Header  []byte // as NATS writes it; nil when there is none
	Payload []byte
}

// entry is the present value of a key.
type entry struct {
	Bucket int // in Manifest.Buckets
	Key    string
	Gone   bool // the key was deleted
	Value  []byte
}

// frames writes a sequence of frames. Its errors are those of the writer beneath.
type frames struct {
	w    io.Writer
	sum  hash.Hash
	n    uint64
	head []byte
}

func newFrames(w io.Writer) *frames { return &frames{w: w, sum: sha256.New()} }

func (f *frames) write(kind byte, parts ...[]byte) error {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if size > maxFrame {
		return errors.New("a record is too large for a backup")
	}
	f.head = binary.AppendUvarint(append(f.head[:0], kind), uint64(size))
	f.n++
	for _, p := range append([][]byte{f.head}, parts...) {
		if kind != endFrame {
			_, _ = f.sum.Write(p) // a hash never fails to take bytes
		}
		if _, err := f.w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

func text(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func (f *frames) message(m message) error {
	b := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(m.Stream)), m.Pos)
	return f.write(messageFrame, text(text(b, m.Subject), string(m.Header)), m.Payload)
}

func (f *frames) entry(e entry) error {
	b := text(binary.AppendUvarint(nil, uint64(e.Bucket)), e.Key)
	gone := byte(0)
	if e.Gone {
		gone = 1
	}
	return f.write(entryFrame, append(b, gone), e.Value)
}

func (f *frames) live(bucket int, key string) error {
	return f.write(liveFrame, binary.AppendUvarint(nil, uint64(bucket)), []byte(key))
}

func (f *frames) end() error { return f.write(endFrame, endOf(f.n, f.sum)) }

// endOf is the body of the frame that closes n others.
func endOf(n uint64, sum hash.Hash) []byte {
	return fmt.Appendf(nil, `{"frames":%d,"sha256":"%x"}`, n, sum.Sum(nil))
}

// reader reads what frames has written.
type reader struct {
	r   *bufio.Reader
	sum hash.Hash
	n   uint64
	buf []byte
}

func newReader(r io.Reader) *reader {
	return &reader{r: bufio.NewReaderSize(r, 1<<16), sum: sha256.New()}
}

// next reads one frame; body is good until the next call. It gives io.EOF behind the end
// frame, whose count and sum it has checked, if nothing follows it.
func (f *reader) next() (kind byte, body []byte, err error) {
	kind, err = f.r.ReadByte()
	if err != nil {
		return 0, nil, cut(err)
	}
	size, err := binary.ReadUvarint(f.r)
	if err != nil {
		return 0, nil, cut(err)
	}
	if size > maxFrame {
		return 0, nil, refused("frame %d is too large", f.n+1)
	}
	if body, err = f.body(int(size)); err != nil {
		return 0, nil, cut(err)
	}
	if kind == endFrame {
		return 0, nil, f.ended(body)
	}
	_, _ = f.sum.Write(binary.AppendUvarint([]byte{kind}, size))
	_, _ = f.sum.Write(body)
	f.n++
	return kind, body, nil
}

// body reads size bytes, and takes the memory for them as they come.
func (f *reader) body(size int) ([]byte, error) {
	f.buf = f.buf[:0]
	for len(f.buf) < size {
		step := min(size-len(f.buf), 1<<20)
		at := len(f.buf)
		f.buf = append(f.buf, make([]byte, step)...)
		if _, err := io.ReadFull(f.r, f.buf[at:]); err != nil {
			return nil, err
		}
	}
	return f.buf, nil
}

func (f *reader) ended(body []byte) error {
	if !bytes.Equal(body, endOf(f.n, f.sum)) {
		return refused("its end does not fit what is before it")
	}
	if _, err := f.r.ReadByte(); err != io.EOF {
		return refused("something follows its end")
	}
	return io.EOF
}

// cut makes an end where none may be an error of the file.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return refused("it is cut off")
	}
	return refused("%w", err)
}

var errFrame = errors.New("a frame cannot be read")

func takeText(b []byte) (s string, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return "", nil, false
	}
	return string(b[size : size+int(n)]), b[size+int(n):], true
}

func takeNumber(b []byte) (n uint64, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return 0, nil, false
	}
	return n, b[size:], true
}

// parseMessage reads a message; Payload is a part of body.
func parseMessage(body []byte, streams int) (m message, err error) {
	n, rest, ok := takeNumber(body)
	if ok && n < uint64(streams) {
		m.Stream = int(n)
		m.Pos, rest, ok = takeNumber(rest)
	} else {
		ok = false
	}
	if ok {
		m.Subject, rest, ok = takeText(rest)
	}
	var header string
	if ok {
		header, rest, ok = takeText(rest)
	}
	if !ok || m.Pos == 0 || m.Subject == "" {
		return message{}, errFrame
	}
	if header != "" {
		m.Header = []byte(header)
	}
	m.Payload = rest
	return m, nil
}

// parseEntry reads an entry; Value is a part of body.
func parseEntry(body []byte, buckets int) (e entry, err error) {
	n, rest, ok := takeNumber(body)
	if !ok || n >= uint64(buckets) {
		return entry{}, errFrame
	}
	e.Bucket = int(n)
	if e.Key, rest, ok = takeText(rest); !ok || e.Key == "" || len(rest) == 0 || rest[0] > 1 {
		return entry{}, errFrame
	}
	e.Gone, e.Value = rest[0] == 1, rest[1:]
	return e, nil
}

func parseLive(body []byte, buckets int) (bucket int, key string, err error) {
	n, rest, ok := takeNumber(body)
	if !ok || n >= uint64(buckets) || len(bytes.TrimSpace(rest)) == 0 {
		return 0, "", errFrame
	}
	return int(n), string(rest), nil
}
