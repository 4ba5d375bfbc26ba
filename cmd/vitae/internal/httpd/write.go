package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"vitae/commands"
	"vitae/ledger"
)

// postProfile creates a profile; the body may hold its first values.
func (s *Server) postProfile(w http.ResponseWriter, r *http.Request) error {
	b, err := body(r, true)
	if err != nil {
		return err
	}
	id := ledger.NewProfileID(s.now())
	cmd, err := commands.Create(id, b)
	if err != nil {
		return err
	}
	return s.submitFor(w, r, id, b, cmd, func(reply ledger.Reply) (int, any) {
		w.Header().Set("Location", "/v1/profiles/"+reply.Profile.String())
		return http.StatusCreated, map[string]any{"data": map[string]any{"id": reply.Profile}, "seq": reply.Seq}
	})
}

func (s *Server) patchProfile(w http.ResponseWriter, r *http.Request) error {
	b, err := body(r, false)
	if err != nil {
		return err
	}
	cmd, err := commands.Patch(ledger.Base, b)
	if err != nil {
		return err
	}
	return s.submit(w, r, b, cmd, renderChanged)
}

// deleteProfile erases: the erased event first, then the key. Asked again after a crash
// in between, it finishes.
func (s *Server) deleteProfile(w http.ResponseWriter, r *http.Request) error {
	x := exchangeOf(r)
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	m, err := meta(r)
	if err != nil {
		return err
	}
	reply, err := s.Core.Submit(r.Context(), ledger.Request{Profile: x.profile, Meta: m, IfSeq: ifMatch(r), Command: commands.Erase(), DryRun: dryRun})
	again := errors.Is(err, ledger.ErrErased)
	if err != nil && !again {
		return err
	}
	if dryRun {
		return s.send(w, r, http.StatusOK, map[string]any{"dryRun": true, "success": true, "seq": reply.Seq})
	}
	if err := s.Vault.Destroy(r.Context(), x.profile); err != nil {
		return err
	}
	if again {
		return ledger.ErrErased
	}
	return s.send(w, r, http.StatusOK, map[string]any{"success": true, "receipt": map[string]any{
		"profile": x.profile, "seq": reply.Seq, "commit": reply.Commit, "time": reply.Time, "erased": true}})
}

func (s *Server) postResume(w http.ResponseWriter, r *http.Request) error {
	b, err := body(r, false)
	if err != nil {
		return err
	}
	cmd, err := commands.CreateResume(ledger.NewID(s.now()), b)
	if err != nil {
		return err
	}
	return s.submit(w, r, b, cmd, func(reply ledger.Reply) (int, any) {
		return http.StatusCreated, made{Success: true, ID: reply.Created}
	})
}

func (s *Server) patchResume(w http.ResponseWriter, r *http.Request) error {
	b, err := body(r, false)
	if err != nil {
		return err
	}
	cmd, err := commands.PatchResume(r.PathValue("id"), b)
	if err != nil {
		return err
	}
	return s.submit(w, r, b, cmd, renderChanged)
}

func (s *Server) deleteResume(w http.ResponseWriter, r *http.Request) error {
	cmd, err := commands.DeleteResume(r.PathValue("id"))
	if err != nil {
		return err
	}
	return s.submit(w, r, nil, cmd, renderSuccess)
}

func (s *Server) postItem(field string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		b, err := body(r, false)
		if err != nil {
			return err
		}
		cmd, err := commands.AddItem(ledger.Base, field, "", b)
		if err != nil {
			return err
		}
		return s.submit(w, r, b, cmd, func(reply ledger.Reply) (int, any) {
			return http.StatusCreated, made{Success: true, ID: reply.Created}
		})
	}
}

func (s *Server) patchItem(field string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		b, err := body(r, false)
		if err != nil {
			return err
		}
		cmd, err := commands.PatchItem(ledger.Base, field, r.PathValue("id"), b)
		if err != nil {
			return err
		}
		return s.submit(w, r, b, cmd, renderSuccess)
	}
}

func (s *Server) deleteItem(field string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		cmd, err := commands.RemoveItem(ledger.Base, field, r.PathValue("id"))
		if err != nil {
			return err
		}
		return s.submit(w, r, nil, cmd, renderSuccess)
	}
}

// postFile takes one file of a multipart body.
func (s *Server) postFile(w http.ResponseWriter, r *http.Request) error {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "multipart/form-data" || params["boundary"] == "" {
		return fail(http.StatusUnsupportedMediaType, "unsupported_media_type", "Send the file as multipart/form-data.")
	}
	if dryRun, err := dry(r); err != nil {
		return err
	} else if dryRun {
		return fail(http.StatusBadRequest, "invalid_query", "An upload cannot be tried without doing it.")
	}
	p, err := s.present(r)
	if err != nil {
		return err
	}
	// The parts' own headers are allowed for on top of the file.
	parts := multipart.NewReader(http.MaxBytesReader(w, r.Body, maxUpload+64<<10), params["boundary"])
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return ledger.Refuse("", ledger.CodeRequired, "the body has no part with a file name")
		}
		if err != nil {
			return uploadError(err)
		}
		if part.FileName() == "" {
			continue
		}
		mediaType := part.Header.Get("Content-Type")
		if t, _, err := mime.ParseMediaType(mediaType); err != nil || len(t) > 127 {
			mediaType = "application/octet-stream"
		}
		f, err := s.Vault.PutFile(r.Context(), p.ID, mediaType, part, maxUpload)
		if err != nil {
			return uploadError(err)
		}
		if next, err := parts.NextPart(); err == nil && next.FileName() != "" {
			return ledger.Refuse("", ledger.CodeTooMany, "send one file a request")
		}
		return s.send(w, r, http.StatusCreated, map[string]any{"data": map[string]any{"file": "sha256:" + f.Hash.String(), "mediaType": f.MediaType, "size": f.Size}})
	}
}

func uploadError(err error) error {
	var long *http.MaxBytesError
	if errors.As(err, &long) || errors.Is(err, ledger.ErrCapacity) {
		return fail(http.StatusRequestEntityTooLarge, "content_too_large", "The file is over 20 MiB.")
	}
	if p := problemOf(err); p.status < 500 || p.status == http.StatusServiceUnavailable {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || strings.HasPrefix(err.Error(), "multipart:") || strings.HasPrefix(err.Error(), "malformed MIME") {
		return fail(http.StatusBadRequest, "invalid_multipart", "The multipart body is malformed.")
	}
	return err
}

// current is a profile with everything that is committed.
func (s *Server) current(ctx context.Context, id ledger.ProfileID) (*ledger.Profile, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	head, err := s.Core.Head(ctx)
	if err != nil {
		return nil, err
	}
	return s.Core.Profile(ctx, id, head)
}

// present is the request's profile as it is now; an error when it is not there.
func (s *Server) present(r *http.Request) (*ledger.Profile, error) {
	p, err := s.current(r.Context(), exchangeOf(r).profile)
	if err == nil && p.Erased {
		err = ledger.ErrErased
	}
	return p, err
}

func (s *Server) getFile(w http.ResponseWriter, r *http.Request) error {
	digest, ok := strings.CutPrefix(r.PathValue("file"), "sha256:")
	h, err := ledger.ParseHash(digest)
	if !ok || err != nil {
		return ledger.ErrNotFound
	}
	if _, err := s.present(r); err != nil {
		return err
	}
	f, content, err := s.Vault.OpenFile(r.Context(), exchangeOf(r).profile, h)
	if err != nil {
		return err
	}
	defer content.Close()
	if fresh(w, r, `"`+digest+`"`) {
		return nil
	}
	hd := w.Header()
	hd.Set("Content-Type", f.MediaType)
	hd.Set("Content-Disposition", "attachment")
	hd.Set("Cache-Control", "private, max-age=31536000, immutable")
	w.WriteHeader(http.StatusOK)
	if _, err := io.Copy(w, content); err != nil {
		s.Log.Warn("a file was not sent whole", "request", exchangeOf(r).id, "error", err)
		panic(http.ErrAbortHandler) // the status is out: only a cut connection says it
	}
	return nil
}
