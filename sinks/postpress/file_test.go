package postpress

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"vitae/sinks"
)

// TestAFileOfAnotherLengthIsNeverSentWhole: over a real connection, a form with a file
// that is shorter or longer than is said never comes to its end, and is not sent.
func TestAFileOfAnotherLengthIsNeverSentWhole(t *testing.T) {
	var whole atomic.Int32
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err == nil {
			whole.Add(1)
		}
		_, _ = io.WriteString(w, profileEdited) // the client has gone if it fails
	}))
	defer far.Close()
	d := sinks.NewClient()
	defer d.CloseIdleConnections()
	p, err := New(far.URL, d)
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("x"), 300_000)
	for _, size := range []int{0, 1, len(content) - 1, len(content), len(content) + 1, 2 * len(content)} {
		before := whole.Load()
		c := call(Picture, sinks.VerbSet, encode([]pair{{name: Picture, value: "sha256:00", file: true}}))
		c.File = func(context.Context, string) (sinks.File, error) {
			return sinks.File{ReadCloser: io.NopCloser(bytes.NewReader(content)), Size: int64(size), MediaType: "image/png"}, nil
		}
		out := p.Call(t.Context(), c)
		switch came := whole.Load() - before; {
		case size == len(content):
			if out.Verdict != sinks.Applied || came != 1 {
				t.Errorf("%+v", out)
			}
		case out.Verdict != sinks.NotSent || out.Fault.Type != "file_broke" || came != 0:
			t.Errorf("%d bytes are said: %+v, and %d whole forms came", size, out, came)
		}
	}
}
