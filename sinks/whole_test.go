package sinks_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"vitae/sinks"
)

// TestWhole: a file is read to its last byte only when it has the length that is said.
func TestWhole(t *testing.T) {
	const content = "a file of some length"
	for name, through := range map[string]func(io.Reader) io.Reader{
		"plain": func(r io.Reader) io.Reader { return r }, "one byte": iotest.OneByteReader, "half": iotest.HalfReader, "end with data": iotest.DataErrReader,
	} {
		for _, size := range []int64{0, 1, 20, 21, 22, 1 << 40} {
			for _, text := range []string{content, ""} {
				w := sinks.NewWhole(sinks.File{ReadCloser: io.NopCloser(through(strings.NewReader(text))), Size: size})
				got, err := io.ReadAll(w)
				if whole := size == int64(len(text)); whole != (err == nil) || whole == w.Broke() || whole && string(got) != text || !whole && size > 0 && int64(len(got)) >= size {
					t.Errorf("%s, %d of %d: %q, %v", name, size, len(text), got, err)
				}
			}
		}
	}
	broken := errors.New("disk")
	w := sinks.NewWhole(sinks.File{ReadCloser: io.NopCloser(iotest.ErrReader(broken)), Size: 3})
	if _, err := io.ReadAll(w); !errors.Is(err, broken) || !w.Broke() {
		t.Errorf("%v", err)
	}
}
