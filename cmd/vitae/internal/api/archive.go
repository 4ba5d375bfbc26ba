package api

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"vitae/cmd/vitae/internal/formats"
	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
)

func (s *Server) archiveRoutes() []route {
	return tagged("formats", false, []route{
		{method: "GET", path: "/v1/profiles/{profile}/archive", profile: true, inPath: true, audited: true, scope: keys.Admin, own: read, id: "exportArchive",
			summary: "Everything that is kept about a profile, as a zip archive: its state, resumes, history, files and connections", run: s.getArchive, reply: "application/zip", query: []string{"at"}},
	})
}

// archive is a zip archive that is written as it is sent, with a list of what is in it.
type archive struct {
	zip      *zip.Writer
	at       time.Time // of every file: the same state is the same archive
	manifest []archived
}

// archived is a file of an archive.
type archived struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// put writes a file.
func (a *archive) put(name string, write func(w io.Writer) error) error {
	w, err := a.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: a.at})
	if err != nil {
		return err
	}
	sum := sha256.New()
	n := &counter{}
	if err := write(io.MultiWriter(w, sum, n)); err != nil {
		return err
	}
	a.manifest = append(a.manifest, archived{name, n.n, hex.EncodeToString(sum.Sum(nil))})
	return nil
}

func (a *archive) bytes(name string, b []byte) error {
	return a.put(name, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

type counter struct{ n int64 }

func (c *counter) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	return len(b), nil
}

// getArchive sends everything that is kept about a profile, as it is or was. Credentials
// are not in it: they are shown to nobody. The reply is cut off, and so no archive, when
// something of it cannot be read.
func (s *Server) getArchive(w http.ResponseWriter, r *http.Request) error {
	p, err := s.state(w, r)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="vitae-`+p.ID.String()+`.zip"`)
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	a := &archive{zip: zip.NewWriter(w), at: p.UpdatedAt.UTC()}
	if err := s.archive(r.Context(), a, p); err != nil {
		return err
	}
	return a.zip.Close()
}

func (s *Server) archive(ctx context.Context, a *archive, p *ledger.Profile) error {
	if err := a.bytes("profile.json", p.AppendDocument(nil, ledger.Base)); err != nil {
		return err
	}
	for _, id := range p.ResumeIDs() {
		if err := archiveResume(a, p, id); err != nil {
			return err
		}
	}
	if err := a.put("history.jsonl", func(w io.Writer) error { return s.archiveHistory(ctx, w, p) }); err != nil {
		return err
	}
	if err := a.put("connections.json", func(w io.Writer) error { return archiveConnections(w, p) }); err != nil {
		return err
	}
	for _, hash := range files(p) {
		if err := s.archiveFile(ctx, a, p.ID, hash); err != nil {
			return err
		}
	}
	manifest, err := json.MarshalIndent(map[string]any{"profile": p.ID, "seq": p.Seq, "commit": p.Head, "files": a.manifest}, "", "  ")
	if err != nil {
		return err
	}
	return a.bytes("manifest.json", append(manifest, '\n'))
}

// archiveResume writes a resume as it is, and in the formats that others read.
func archiveResume(a *archive, p *ledger.Profile, id string) error {
	head, err := json.Marshal(headOfResume(p, id))
	if err != nil {
		return err
	}
	b := append(head[:len(head)-1], ',')
	b = append(p.AppendMembers(b, id), '}')
	re, err := resumeOf(p, id)
	if err != nil {
		return err
	}
	jsonResume, _, err := formats.JSONResume(re)
	if err != nil {
		return err
	}
	page, _, err := formats.HTML(re)
	if err != nil {
		return err
	}
	errs := []error{a.bytes("resumes/"+id+".json", b), a.bytes("resumes/"+id+".resume.json", jsonResume), a.bytes("resumes/"+id+".html", page)}
	if id == ledger.Base {
		card, _ := formats.VCard(re, nil)
		errs = append(errs, a.bytes("contact.vcf", card))
	}
	return errors.Join(errs...)
}

// archiveHistory writes every event up to the state, one a line.
func (s *Server) archiveHistory(ctx context.Context, w io.Writer, p *ledger.Profile) error {
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	for after := (cursor{}); ; {
		t := timeline{s: s, id: p.ID, to: p.Seq, values: true}
		events, next, err := t.page(ctx, p, after, maxEvents)
		if err != nil {
			return err
		}
		for i := range events {
			if err := lines.Encode(&events[i]); err != nil {
				return err
			}
		}
		if next == nil {
			return nil
		}
		if after, err = parseCursor(*next); err != nil {
			return err
		}
	}
}

// archiveConnections writes which accounts the profile has, without their credentials.
func archiveConnections(w io.Writer, p *ledger.Profile) error {
	type connection struct {
		Provider string          `json:"provider"`
		Account  json.RawMessage `json:"account,omitempty"`
		Settings json.RawMessage `json:"settings,omitempty"`
	}
	out := []connection{}
	for _, provider := range slices.Sorted(maps.Keys(p.Connections)) {
		var c connection
		if err := json.Unmarshal(p.Connections[provider].Value, &c); err != nil {
			return err
		}
		c.Provider = provider
		out = append(out, c)
	}
	return json.NewEncoder(w).Encode(out)
}

// files lists the files that the state refers to, sorted.
func files(p *ledger.Profile) []ledger.Hash {
	seen := map[ledger.Hash]bool{}
	look := func(v ledger.Value) {
		for rest := string(v); ; {
			_, after, found := strings.Cut(rest, `"sha256:`)
			if !found {
				return
			}
			rest = after
			if end := strings.IndexByte(rest, '"'); end > 0 {
				if h, err := ledger.ParseHash(rest[:end]); err == nil {
					seen[h] = true
				}
			}
		}
	}
	for _, c := range p.Shared {
		look(c.Value)
	}
	lists := []map[string]*ledger.Collection{p.Lists}
	for _, re := range p.Resumes {
		lists = append(lists, re.Collections)
	}
	for _, of := range lists {
		for _, l := range of {
			for _, c := range l.Items {
				look(c.Value)
			}
		}
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b ledger.Hash) int { return strings.Compare(a.String(), b.String()) })
}

// archiveFile writes a file. A text that looks like a reference and is none is passed over.
func (s *Server) archiveFile(ctx context.Context, a *archive, p ledger.ProfileID, hash ledger.Hash) error {
	f, content, err := s.Vault.OpenFile(ctx, p, hash)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	name := "files/" + hash.String()
	if ext, err := mime.ExtensionsByType(f.MediaType); err == nil && len(ext) > 0 {
		name += ext[0]
	}
	err = a.put(name, func(w io.Writer) error {
		n, err := io.Copy(w, content)
		if err == nil && n != f.Size {
			err = fmt.Errorf("file %s: %w", hash, ledger.ErrFormat)
		}
		return err
	})
	return errors.Join(err, content.Close())
}
