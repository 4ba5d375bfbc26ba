package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestFollowResumes: a server that ends every connection after two events, in the middle of
// the next one.
func TestFollowResumes(t *testing.T) {
	var asked []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last := r.Header.Get("Last-Event-ID")
		asked = append(asked, last)
		if len(asked) == 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		from, _ := strconv.Atoi(last)
		w.Header().Set(PositionHeader, strconv.Itoa(from))
		for i := from + 1; i <= from+2; i++ {
			_, _ = fmt.Fprintf(w, ":\n\nid: %d\nevent: x\ndata: {\"n\":%d}\n\n", i, i)
		}
		_, _ = fmt.Fprintf(w, "id: %d\nevent: x\ndata: {\"n\":", from+3)
	}))
	defer srv.Close()
	c, err := New(Options{Server: srv.URL, Key: "k", Profile: "p", Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var got []uint64
	enough := errors.New("enough")
	lost := 0
	err = c.Follow(t.Context(), Feed{Query: url.Values{}, Lost: func(error) { lost++ }}, func(seq uint64, event []byte) error {
		if string(event) != fmt.Sprintf(`{"n":%d}`, seq) {
			t.Errorf("event %d is %s", seq, event)
		}
		if got = append(got, seq); len(got) == 5 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || fmt.Sprint(got) != "[1 2 3 4 5]" || lost != 3 {
		t.Errorf("%v, events %v, lost %d times", err, got, lost)
	}
	if fmt.Sprint(asked) != "[ 2 2 4]" {
		t.Errorf("asked behind %q", asked)
	}
}

// TestFollowFromTheBeginning: the place is known before the first event comes.
func TestFollowFromTheBeginning(t *testing.T) {
	var asked []string
	ctx, cancel := context.WithCancel(t.Context())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked = append(asked, r.Header.Get("Last-Event-ID")); len(asked) == 2 {
			cancel()
		}
		w.Header().Set(PositionHeader, "41")
	}))
	defer srv.Close()
	c, err := New(Options{Server: srv.URL, Key: "k", Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Follow(ctx, Feed{}, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if fmt.Sprint(asked) != "[ 41]" {
		t.Errorf("asked behind %q", asked)
	}
}

func TestFollowRefused(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer srv.Close()
	c, err := New(Options{Server: srv.URL, Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	var e *Error
	if err := c.Follow(t.Context(), Feed{}, nil); !errors.As(err, &e) || e.Status != http.StatusForbidden {
		t.Error(err)
	}
}

func FuzzReadEvents(f *testing.F) {
	f.Add("id: 1\nevent: x\ndata: {}\n\n:\n\ndata\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		err := readEvents(strings.NewReader(text), func() {}, func(id string, data []byte) error {
			if strings.Contains(id, "\n") || data == nil {
				t.Fatalf("id %q, data %q", id, data)
			}
			return nil
		})
		if err == nil {
			t.Fatal("it ended well")
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Log(err)
		}
	})
}
