package api

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"vitae/ledger"
)

// upload is the one file of a multipart body.
type upload struct {
	mediaType string
	part      *multipart.Part
	rest      *multipart.Reader
}

// errTooLarge ends a file that is longer than may be.
var errTooLarge = fail(http.StatusRequestEntityTooLarge, "content_too_large", "The file is over 20 MiB.")

// errMalformed ends a body that is no multipart body, or not to its end.
var errMalformed = fail(http.StatusBadRequest, "invalid_multipart", "The multipart body is malformed.")

// openUpload finds the file in a multipart body. Parts without a file name are passed over.
func openUpload(w http.ResponseWriter, r *http.Request) (*upload, error) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "multipart/form-data" || params["boundary"] == "" {
		return nil, fail(http.StatusUnsupportedMediaType, "unsupported_media_type", "Send the file as multipart/form-data.")
	}
	// The parts' own headers are allowed for on top of the file.
	u := &upload{rest: multipart.NewReader(http.MaxBytesReader(w, r.Body, maxUpload+64<<10), params["boundary"])}
	for {
		part, err := u.rest.NextPart()
		if errors.Is(err, io.EOF) {
			return nil, ledger.Refuse("", ledger.CodeRequired, "the body has no part with a file name")
		}
		if err != nil {
			return nil, uploadError(err)
		}
		if part.FileName() == "" {
			continue
		}
		u.part, u.mediaType = part, "application/octet-stream"
		if t, _, err := mime.ParseMediaType(part.Header.Get("Content-Type")); err == nil && len(t) <= 127 && strings.Contains(t, "/") {
			u.mediaType = t
		}
		return u, nil
	}
}

// Read reads the file. It fails at the end if there is a second one, so that nothing is
// stored of a body that holds more than asked for.
func (u *upload) Read(b []byte) (int, error) {
	n, err := u.part.Read(b)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		// Whoever reads in blocks takes this error for the end of the file.
		err = errMalformed
	}
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	for {
		next, err := u.rest.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return n, io.EOF
		case err != nil:
			return n, err
		case next.FileName() != "":
			return n, ledger.Refuse("", ledger.CodeTooMany, "send one file a request")
		}
	}
}

// postFile takes one file of a multipart body.
func (s *Server) postFile(w http.ResponseWriter, r *http.Request) error {
	x := exchangeOf(r)
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	if _, err := s.present(r.Context(), x); err != nil {
		return err
	}
	u, err := openUpload(w, r)
	if err != nil {
		return err
	}
	put := func(content io.Reader) (int, any, error) {
		f, err := s.Vault.PutFile(r.Context(), x.profile, u.mediaType, content, maxUpload)
		if errors.Is(err, ledger.ErrCapacity) {
			err = errTooLarge
		}
		if err != nil {
			return 0, nil, uploadError(err)
		}
		w.Header().Set("Location", "/v1/files/sha256:"+f.Hash.String())
		return http.StatusCreated, fileReply{Data: fileView{File: "sha256:" + f.Hash.String(), MediaType: f.MediaType, Size: f.Size}}, nil
	}
	if !dryRun && r.Header.Get("Idempotency-Key") == "" {
		status, reply, err := put(u)
		if err != nil {
			return err
		}
		return s.send(w, r, status, reply)
	}
	// What the file is must be known before anything is done. The boundary differs from
	// one try to the next, so the content stands for the request.
	content, err := io.ReadAll(io.LimitReader(u, maxUpload+1))
	if err != nil {
		return uploadError(err)
	}
	if len(content) > maxUpload {
		return errTooLarge
	}
	hash := ledger.HashOf(content)
	if dryRun {
		return s.send(w, r, http.StatusOK, fileReply{DryRun: true, Data: fileView{File: "sha256:" + hash.String(), MediaType: u.mediaType, Size: int64(len(content))}})
	}
	return s.once(w, r, append(hash[:], u.mediaType...), func() (int, any, error) { return put(bytes.NewReader(content)) })
}

type fileView struct {
	File      string `json:"file"`
	MediaType string `json:"mediaType"`
	Size      int64  `json:"size"`
}

type fileReply struct {
	Data   fileView `json:"data"`
	DryRun bool     `json:"dryRun,omitempty"`
}

// uploadError sorts what reading a multipart body can end with.
func uploadError(err error) error {
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return errTooLarge
	case errors.Is(err, io.ErrUnexpectedEOF), strings.Contains(err.Error(), "multipart: "), strings.Contains(err.Error(), "malformed MIME"):
		return errMalformed
	}
	return err
}

// getFile reads a file of the profile. It is offered for saving and never shown by a
// browser as a page of ours.
func (s *Server) getFile(w http.ResponseWriter, r *http.Request) (err error) {
	x := exchangeOf(r)
	digest, ok := strings.CutPrefix(r.PathValue("file"), "sha256:")
	h, err := ledger.ParseHash(digest)
	if !ok || err != nil {
		return ledger.ErrNotFound
	}
	if _, err := s.present(r.Context(), x); err != nil {
		return err
	}
	f, content, err := s.Vault.OpenFile(r.Context(), x.profile, h)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := content.Close(); err == nil {
			err = cerr
		}
	}()
	hd := w.Header()
	hd.Set("Cache-Control", "private, max-age=31536000, immutable")
	if fresh(w, r, `"sha256:`+digest+`"`) {
		return nil
	}
	hd.Set("Content-Type", f.MediaType)
	hd.Set("Content-Disposition", "attachment")
	hd.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	// Once bytes are out, an error cuts the connection: see Server.fail.
	_, err = io.Copy(w, content)
	return err
}
