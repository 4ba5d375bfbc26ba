package api

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/ledger/vault"
	"vitae/sinks/linkedin"
)

// mediaUpload is a registered upload. It is kept under a digest of the secret that the
// upload URL has, and sealed under the profile's key; so is what was uploaded, under a
// digest of the asset.
type mediaUpload struct {
	Profile ledger.ProfileID `json:"profile"`
	Asset   string           `json:"asset"` // the end of its URN
	Class   string           `json:"class"`
}

// mediaFile is what an asset is.
type mediaFile struct {
	File string `json:"file"`
}

const mediaPurpose = "linkedin-media"

// mediaKey is where an upload is kept, or an asset of a profile.
func (s *Server) mediaKey(kind string, parts ...string) string {
	data := [][]byte{[]byte(kind)}
	for _, p := range parts {
		data = append(data, []byte(p))
	}
	sum := s.Vault.SystemDigest(mediaPurpose, data...)
	return hex.EncodeToString(sum[:])
}

// sealMedia makes what is kept under a key: the profile's id, and the rest sealed.
func (s *Server) sealMedia(p ledger.ProfileID, key string, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	sealed, err := s.Vault.SealOwn(p, mediaPurpose, key, b)
	return append(p[:], sealed...), err
}

// openMedia reads what is kept under a key. Errors: ledger.ErrNotFound when nothing is,
// ledger.ErrErased.
func (s *Server) openMedia(ctx context.Context, key string, v any) (keys.Entry, error) {
	if s.Uploads == nil {
		return keys.Entry{}, ledger.ErrUnavailable
	}
	e, err := s.Uploads.Get(ctx, key)
	if err != nil {
		return e, err
	}
	var p ledger.ProfileID
	if copy(p[:], e.Value) < len(p) {
		return e, vault.ErrCorrupt
	}
	b, err := s.Vault.OpenOwn(p, mediaPurpose, key, e.Value[len(p):])
	if err != nil {
		return e, err
	}
	return e, json.Unmarshal(b, v)
}

// secret draws n bytes and writes them so that they can stand in a URL and a URN.
func secret(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// postAssets registers the upload of a picture. The answer has a URL on this server, by
// the name under which the caller reached it.
func (s *Server) postAssets(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r)
	if err != nil {
		return err
	}
	action, err := one(q, "action")
	if err != nil {
		return err
	}
	if action != "registerUpload" {
		return fail(http.StatusBadRequest, "invalid_query", "action must be registerUpload.")
	}
	if err := meansMethod(r, "ACTION"); err != nil {
		return err
	}
	b, err := body(w, r, false)
	if err != nil {
		return err
	}
	reg, err := linkedin.ParseRegistration(b)
	if err != nil {
		return err
	}
	p, err := s.accountOf(r, ledger.LinkedIn, reg.Person)
	if err != nil {
		return err
	}
	if s.Uploads == nil {
		return ledger.ErrUnavailable
	}
	return s.once(w, r, b, func() (int, any, error) {
		up := mediaUpload{Profile: p.ID, Asset: secret(16), Class: reg.Class}
		token := secret(32)
		key := s.mediaKey("upload", token)
		sealed, err := s.sealMedia(p.ID, key, up)
		if err != nil {
			return 0, nil, err
		}
		if _, err := s.Uploads.Create(r.Context(), key, sealed); err != nil {
			return 0, nil, err
		}
		return http.StatusOK, linkedin.Registered(up.Asset, up.Class, uploadURL(r, up, token)), nil
	})
}

// uploadURL is where the bytes of an asset go. The token in it is all that is needed
// besides a key of the profile.
func uploadURL(r *http.Request, up mediaUpload, token string) string {
	scheme := "http"
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		scheme = "https"
	}
	u := url.URL{Scheme: scheme, Host: r.Host, Path: "/mediaUpload/" + up.Asset + "/" + up.Class + "/0",
		RawQuery: url.Values{"ca": {"vector_profile"}, "cn": {"uploads"}, "m": {token}, "sync": {"0"}}.Encode()}
	return u.String()
}

// putMedia takes the bytes of an asset. Another upload to the same URL replaces what the
// asset is.
func (s *Server) putMedia(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r)
	if err != nil {
		return err
	}
	token, err := one(q, "m")
	if err != nil {
		return err
	}
	var up mediaUpload
	if _, err := s.openMedia(r.Context(), s.mediaKey("upload", token), &up); err != nil {
		return err
	}
	x := exchangeOf(r)
	if r.PathValue("rest") != up.Asset+"/"+up.Class+"/0" || !x.key.ForAll() && x.key.Profile != up.Profile {
		return ledger.ErrNotFound
	}
	x.profile = up.Profile
	if _, err := s.present(r.Context(), x); err != nil {
		return err
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return fail(http.StatusUnsupportedMediaType, "unsupported_encoding", "The body must not be compressed.")
	}
	if r.ContentLength > maxUpload {
		w.Header().Set("Connection", "close") // the rest is not read
		return errTooLarge
	}
	content := bufio.NewReader(http.MaxBytesReader(w, r.Body, maxUpload))
	head, err := content.Peek(1)
	if len(head) == 0 {
		if err == nil || errors.Is(err, io.EOF) {
			return fail(http.StatusBadRequest, "invalid_media", "The body has no image in it.")
		}
		return mediaError(err)
	}
	head, _ = content.Peek(512) // a shorter body is no error; another one comes again when it is read
	f, err := s.Vault.PutFile(r.Context(), up.Profile, mediaTypeOf(r, head), content, maxUpload)
	if err != nil {
		return mediaError(err)
	}
	if err := s.keepAsset(r.Context(), up, mediaFile{File: "sha256:" + f.Hash.String()}); err != nil {
		return err
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusCreated)
	return nil
}

// keepAsset says what an asset is from now on.
func (s *Server) keepAsset(ctx context.Context, up mediaUpload, is mediaFile) error {
	key := s.mediaKey("asset", up.Profile.String(), up.Asset)
	sealed, err := s.sealMedia(up.Profile, key, is)
	if err != nil {
		return err
	}
	for {
		_, err := s.Uploads.Create(ctx, key, sealed)
		if !errors.Is(err, ledger.ErrExists) {
			return err
		}
		e, err := s.Uploads.Get(ctx, key)
		if errors.Is(err, ledger.ErrNotFound) {
			continue // it was forgotten just now
		}
		if err != nil {
			return err
		}
		if _, err = s.Uploads.Update(ctx, key, sealed, e.Revision); !errors.Is(err, ledger.ErrConflict) {
			return err
		}
	}
}

// assetFile is the file that was uploaded as an asset of the profile.
func (s *Server) assetFile(ctx context.Context, profile ledger.ProfileID, urn string) (string, error) {
	var is mediaFile
	id := strings.TrimPrefix(urn, linkedin.AssetPrefix)
	_, err := s.openMedia(ctx, s.mediaKey("asset", profile.String(), id), &is)
	return is.File, err
}

// mediaTypeOf is the media type of an upload: as it is said, unless that says nothing.
// curl sends none with PUT, and that of a form with POST.
func mediaTypeOf(r *http.Request, head []byte) string {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || len(t) > 127 || !strings.Contains(t, "/") || t == "application/octet-stream" || t == "application/x-www-form-urlencoded" {
		return http.DetectContentType(head)
	}
	return t
}

// mediaError sorts what reading and keeping an upload can end with.
func mediaError(err error) error {
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long), errors.Is(err, ledger.ErrCapacity):
		return errTooLarge
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fail(http.StatusBadRequest, "body_unreadable", "The body could not be read to its end.")
	}
	return err
}
