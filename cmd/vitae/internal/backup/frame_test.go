package backup

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/nats-io/nats.go/jetstream"
)

var update = flag.Bool("update", false, "write the golden files anew")

func sample(t *testing.T) ([]byte, Manifest) {
	t.Helper()
	var b bytes.Buffer
	f := newFrames(&b)
	at := time.Date(2026, 5, 3, 10, 14, 0, 0, time.UTC)
	m := Manifest{Kind: Data, ID: "01J8Z3K5V6Q7R8S9T0V1W2X3Y4", Parent: "01J8Z3K5V6Q7R8S9T0V1W2X3Y3", At: at, Lineage: "01ARZ3NDEKTSV4RRFFQ69G5FAV", Sealed: SealedByKeys,
		Head:    Head{Seq: 7, Pos: 3, Hash: [32]byte{1, 2, 3}},
		Streams: []Stream{{Name: "LANES-0", Created: at, Whole: true, To: 9, Config: jetstream.StreamConfig{Name: "LANES-0", Subjects: []string{"lanes.0"}}}},
		Buckets: []Bucket{{Name: "KV_FILES", Created: at, Revision: 4, Config: jetstream.StreamConfig{Name: "KV_FILES", Subjects: []string{"$KV.FILES.>"}}}}}
	for _, err := range []error{
		f.write(manifestFrame, []byte("{}")),
		f.message(message{Stream: 0, Pos: 9, Subject: "lanes.0", Header: []byte("a: b\r\n"), Payload: []byte("payload")}),
		f.entry(entry{Bucket: 0, Key: "key", Value: []byte("value")}),
		f.entry(entry{Bucket: 0, Key: "gone", Gone: true}),
		f.live(0, "key"),
		f.end(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes(), m
}

// TestForm pins the stored form, and reads it back.
func TestForm(t *testing.T) {
	frames, m := sample(t)
	line := marshal(t, m)
	text := string(line) + "\n" + hex.Dump(frames)
	const golden = "testdata/form.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != text {
		t.Errorf("the stored form has changed (%v):\n%s", err, text)
	}
	var file bytes.Buffer
	if err := opening(&file, line); err != nil {
		t.Fatal(err)
	}
	got, err := Peek(&file)
	if err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("the manifest came back as %+v (%v)", got, err)
	}
	in := newReader(bytes.NewReader(frames))
	var kinds []byte
	for {
		kind, body, err := in.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, kind)
		switch kind {
		case messageFrame:
			m, err := parseMessage(body, 1)
			if err != nil || m.Pos != 9 || m.Subject != "lanes.0" || string(m.Header) != "a: b\r\n" || string(m.Payload) != "payload" {
				t.Errorf("message %+v (%v)", m, err)
			}
			if h, err := parseHeader(m.Header); err != nil || h["a"][0] != "b" {
				t.Errorf("header %v (%v)", h, err)
			}
		case entryFrame:
			e, err := parseEntry(body, 1)
			if err != nil || e.Gone != (e.Key == "gone") || !e.Gone && string(e.Value) != "value" {
				t.Errorf("entry %+v (%v)", e, err)
			}
		case liveFrame:
			if b, key, err := parseLive(body, 1); err != nil || b != 0 || key != "key" {
				t.Errorf("live %d %q (%v)", b, key, err)
			}
		}
	}
	if string(kinds) != "MSEEL" {
		t.Errorf("frames %s", kinds)
	}
}

// TestEveryBitCounts: whatever bit of the frames is another, and wherever they are cut,
// reading them to their end fails.
func TestEveryBitCounts(t *testing.T) {
	frames, _ := sample(t)
	whole := func(b []byte) error {
		in := newReader(bytes.NewReader(b))
		for {
			_, _, err := in.next()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
	if err := whole(frames); err != nil {
		t.Fatal(err)
	}
	for bit := range len(frames) * 8 {
		b := slices.Clone(frames)
		b[bit/8] ^= 1 << (bit % 8)
		if err := whole(b); !errors.Is(err, ErrRefused) {
			t.Errorf("bit %d: %v", bit, err)
		}
	}
	for size := range len(frames) {
		if err := whole(frames[:size]); !errors.Is(err, ErrRefused) {
			t.Errorf("cut to %d bytes: %v", size, err)
		}
	}
}

// TestSeals: each kind of seal opens with what it was made for, and with nothing else.
func TestSeals(t *testing.T) {
	own, err := masterOwn(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	other, err := masterOwn(bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name         string
		seal         Seal
		right, wrong Unseal
		own, not     ownKey
	}{
		{"own keys", Seal{}, Unseal{}, Unseal{Identities: []age.Identity{stranger}}, own, other},
		{"recipients", Seal{Recipients: []string{identity.Recipient().String()}}, Unseal{Identities: []age.Identity{stranger, identity}}, Unseal{Identities: []age.Identity{stranger}}, other, own},
		{"passphrase", Seal{Passphrase: "correct horse battery"}, Unseal{Passphrase: "correct horse battery"}, Unseal{Passphrase: "correct horse batter"}, other, own},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.seal.Check(); err != nil {
				t.Fatal(err)
			}
			to, err := c.seal.recipients(own)
			if err != nil {
				t.Fatal(err)
			}
			var sealed bytes.Buffer
			w, err := age.Encrypt(&sealed, to...)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte("plain text")); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			m := &Manifest{Sealed: c.seal.kind()}
			r, err := c.right.open(bytes.NewReader(sealed.Bytes()), m, c.own)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || string(got) != "plain text" {
				t.Errorf("%q, %v", got, err)
			}
			if _, err := c.wrong.open(bytes.NewReader(sealed.Bytes()), m, c.not); !errors.Is(err, ErrRefused) {
				t.Errorf("with the wrong key: %v", err)
			}
			if strings.Contains(sealed.String(), "plain text") {
				t.Error("it is not sealed")
			}
		})
	}
	for _, wrong := range []Seal{{Recipients: []string{"age1"}}, {Recipients: []string{identity.String()}}, {Passphrase: "short"},
		{Recipients: []string{identity.Recipient().String()}, Passphrase: "correct horse battery"}} {
		if wrong.Check() == nil {
			t.Errorf("taken: %+v", wrong.kind())
		}
	}
}

// FuzzFile: nothing in a file makes reading it do more than refuse it.
func FuzzFile(f *testing.F) {
	var t testing.T
	frames, m := sample(&t)
	var file bytes.Buffer
	if err := opening(&file, marshal(f, m)); err != nil {
		f.Fatal(err)
	}
	f.Add(append(file.Bytes(), frames...))
	f.Add(frames)
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := Peek(bytes.NewReader(b)); err != nil && !errors.Is(err, ErrRefused) {
			t.Fatal(err)
		}
		in := newReader(bytes.NewReader(b))
		for {
			kind, body, err := in.next()
			if err == io.EOF {
				return
			}
			if err != nil {
				if !errors.Is(err, ErrRefused) {
					t.Fatal(err)
				}
				return
			}
			switch kind {
			case messageFrame:
				if m, err := parseMessage(body, 3); err == nil {
					var again bytes.Buffer
					if err := newFrames(&again).message(m); err != nil {
						t.Fatal(err)
					}
					_, _ = parseHeader(m.Header)
				}
			case entryFrame:
				_, _ = parseEntry(body, 3)
			case liveFrame:
				_, _, _ = parseLive(body, 3)
			}
		}
	})
}

func marshal(t testing.TB, m Manifest) []byte {
	t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
