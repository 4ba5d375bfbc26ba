package linkedin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"vitae/ledger"
	"vitae/sinks"
)

// TestPicture goes through all steps, as the engine does.
func TestPicture(t *testing.T) {
	p := state()
	file := "sha256:" + strings.Repeat("0a", 32)
	set(t, p, "picture", `"`+file+`"`)
	payload := make1(t, ProfilePicture, p, sinks.Have{})
	assets := 0
	w := &wire{answer: func(r *http.Request, _ string) *http.Response {
		if strings.HasSuffix(r.URL.Path, "/v2/assets") {
			assets++
			return reply(200, registration(fmt.Sprint(assets), fmt.Sprintf("%s/mediaUpload/%d?ca=x&m=secret", testBase, assets)))
		}
		return reply(201, "")
	}}
	results := map[string][]byte{}
	for _, step := range payload.Steps {
		c := call(ProfilePicture, sinks.VerbSet)
		c.Step, c.Body, c.Results = step, payload.Body, results
		out := client(t, w).Call(context.Background(), c)
		if out.Verdict != sinks.Applied {
			t.Fatalf("%s: %+v", step, out)
		}
		if out.Result != nil {
			results[step] = out.Result
		}
	}
	if len(w.sent) != 5 {
		t.Fatalf("%d requests", len(w.sent))
	}
	same(t, "a result", results[stepRegisterOriginal], `{"asset":"urn:li:digitalmediaAsset:1","uploadUrl":"`+testBase+`/mediaUpload/1?ca=x&m=secret"}`)
	for i, want := range map[int]string{1: "/linkedin/mediaUpload/1", 3: "/linkedin/mediaUpload/2"} {
		r := w.sent[i]
		if r.Method != http.MethodPut || r.URL.Path != want || r.URL.RawQuery != "ca=x&m=secret" || r.Header.Get("Authorization") != "Bearer AQX-token" ||
			r.Header.Get("Content-Type") != "image/png" || r.ContentLength != int64(len(w.bodies[i])) || w.bodies[i] != "PNG "+file {
			t.Errorf("%s %s %v %d %q", r.Method, r.URL, r.Header, r.ContentLength, w.bodies[i])
		}
	}
	same(t, "the patch", []byte(w.bodies[4]), `{"patch":{"profilePicture":{"$set":{"originalImage":"urn:li:digitalmediaAsset:1","displayImage":"urn:li:digitalmediaAsset:2"}}}}`)
}

func TestUploadsGoToLinkedInOnly(t *testing.T) {
	for target, may := range map[string]bool{
		"http://127.0.0.1:8090/anything":         true,
		"http://127.0.0.1:8091/linkedin/1":       false,
		"https://127.0.0.1:8090/linkedin/1":      false,
		"https://api.linkedin.com/mediaUpload/1": true,
		"https://WWW.LinkedIn.com/1":             true,
		"http://api.linkedin.com/mediaUpload/1":  false,
		"https://linkedin.com.evil.example/1":    false,
		"https://evillinkedin.com/1":             false,
		"https://u:p@api.linkedin.com/1":         false,
		"https://evil.example/.linkedin.com":     false,
		"/mediaUpload/1":                         false,
		"":                                       false,
		"https://a b/":                           false,
	} {
		register, upload := call(ProfilePicture, sinks.VerbSet), call(ProfilePicture, sinks.VerbSet)
		register.Step, upload.Step, upload.Body = stepRegisterDisplay, stepUploadDisplay, []byte(`{"file":"sha256:00"}`)
		upload.Results = map[string][]byte{stepRegisterDisplay: []byte(`{"asset":"urn:li:a:1","uploadUrl":"` + target + `"}`)}
		w := always(200, "")
		out := client(t, w).Call(context.Background(), upload)
		if sent := len(w.sent) > 0; sent != may || may != (out.Verdict == sinks.Applied) || !may && target != "" && out.Verdict != sinks.SinkError {
			t.Errorf("%q: sent is %v: %+v", target, sent, out)
		}
		out = client(t, always(200, registration("1", target))).Call(context.Background(), register)
		if may != (out.Verdict == sinks.Applied) || !may && target != "" && (out.Verdict != sinks.SinkError || out.Result != nil || out.Fault.Sent != sinks.SentYes) {
			t.Errorf("%q is registered: %+v", target, out)
		}
	}
}

func TestFilesThatCannotBeOpened(t *testing.T) {
	c := call(ProfilePicture, sinks.VerbSet)
	c.Step, c.Body = stepUploadOriginal, []byte(`{"file":"sha256:00"}`)
	c.Results = map[string][]byte{stepRegisterOriginal: []byte(`{"asset":"urn:li:a:1","uploadUrl":"` + testBase + `/1"}`)}
	for _, e := range []struct {
		err  error
		want sinks.Verdict
	}{{fmt.Errorf("file: %w", ledger.ErrNotFound), sinks.Refused}, {ledger.ErrErased, sinks.Refused}, {errors.New("disk"), sinks.NotSent}} {
		c.File = func(context.Context, string) (sinks.File, error) { return sinks.File{}, e.err }
		w := always(200, "")
		if out := client(t, w).Call(context.Background(), c); out.Verdict != e.want || len(w.sent) > 0 {
			t.Errorf("%v: %+v", e.err, out)
		}
	}
	c.File = nil
	if out := client(t, always(200, "")).Call(context.Background(), c); out.Verdict != sinks.Refused {
		t.Errorf("no files: %+v", out)
	}
}

// TestAPictureOfAnotherLengthIsNotUploaded: an upload has a length beforehand, and a place
// for uploads would keep as much of a longer file as that.
func TestAPictureOfAnotherLengthIsNotUploaded(t *testing.T) {
	var whole atomic.Int32
	far := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err == nil {
			whole.Add(1)
		}
	}))
	defer far.Close()
	d := sinks.NewClient()
	defer d.CloseIdleConnections()
	p, err := New(far.URL, d)
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("x"), 300_000)
	for _, size := range []int{1, len(content) - 1, len(content), len(content) + 1} {
		before := whole.Load()
		c := call(ProfilePicture, sinks.VerbSet)
		c.Step, c.Body = stepUploadOriginal, []byte(`{"file":"sha256:00"}`)
		c.Results = map[string][]byte{stepRegisterOriginal: []byte(`{"asset":"urn:li:a:1","uploadUrl":"` + far.URL + `/1"}`)}
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
			t.Errorf("%d bytes are said: %+v, and %d whole pictures came", size, out, came)
		}
	}
}
