package sinks

import (
	"errors"
	"io"
	"sync/atomic"
)

// Whole reads a file of which a length was said before: to its end, or with an error. A
// file that is longer or shorter breaks off before its last byte is given, so that no
// request with it is ever complete.
type Whole struct {
	file  File
	left  int64
	ended bool
	broke atomic.Bool
}

// NewWhole makes one. The caller still closes the file.
func NewWhole(f File) *Whole { return &Whole{file: f, left: f.Size} }

// Broke says that the file could not be read as it was said to be: what was sent of it is
// nothing that the other side can have taken.
func (w *Whole) Broke() bool { return w.broke.Load() }

// errSize is the error of a file of another length; no value is in it.
var errSize = errors.New("the file has not the length that is said of it")

// Read implements io.Reader.
func (w *Whole) Read(b []byte) (int, error) {
	switch {
	case w.Broke():
		return 0, errSize
	case w.ended:
		return 0, io.EOF
	case len(b) == 0:
		return 0, nil
	}
	n, err := 0, error(nil)
	if w.left > 0 {
		n, err = w.file.Read(b[:min(int64(len(b)), w.left)])
		w.left -= int64(n)
		if errors.Is(err, io.EOF) && w.left > 0 {
			err = errSize
		}
	}
	if w.left == 0 && err == nil {
		err = w.atEnd()
	}
	switch {
	case errors.Is(err, io.EOF):
		w.ended = true
		return n, io.EOF
	case err != nil:
		w.broke.Store(true)
		return 0, err
	}
	return n, nil
}

// atEnd is io.EOF when the file has nothing more.
func (w *Whole) atEnd() error {
	var more [1]byte
	for {
		n, err := w.file.Read(more[:])
		if n > 0 {
			return errSize
		}
		if err != nil {
			return err
		}
	}
}

// FileBroke is the outcome of a call whose body was never whole, because a file was not.
func FileBroke() Outcome {
	return Outcome{Verdict: NotSent, Fault: Fault{Type: "file_broke", Sent: SentNo,
		Message: "a file could not be read, or has not the length that is said of it: the request was broken off before its end"}}
}
