package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"vitae/cmd/vitae/internal/backup"
	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
)

// backupSum is the trailer with the SHA-256 of a backup file: who has it has all of it.
const backupSum = "X-Vitae-Sha256"

func (s *Server) backupRoutes() []route {
	return tagged("operation", false, []route{
		{method: "POST", path: "/v1/backup", scope: keys.Admin, all: true, id: "createBackup", summary: "Stream a backup of everything but the profiles' keys",
			run: s.runBackup(false), request: "BackupRequest", optional: true, reply: backupType, query: []string{"dryRun"}, fails: []int{409}},
		{method: "POST", path: "/v1/backup/keys", scope: keys.Admin, all: true, id: "createKeysBackup", summary: "Stream a backup of the profiles' wrapped keys; only the newest is to be kept",
			run: s.runBackup(true), request: "BackupRequest", optional: true, reply: backupType, query: []string{"dryRun"}, fails: []int{409}},
	})
}

const backupType = "application/vnd.vitae.backup"

func backupSchemas(out object) {
	text := object{"type": "string"}
	o := shape(object{
		"since":      object{"type": "object", "description": "The manifest of the data file to build on: its second line."},
		"recipients": object{"type": "array", "items": text, "description": "Public keys of age."},
		"passphrase": object{"type": "string", "minLength": 12},
	})
	o["additionalProperties"] = false
	o["description"] = "Without recipients and passphrase the file is sealed by the ledger's own keys."
	out["BackupRequest"] = o
}

// runBackup streams one file. The reply ends with its SHA-256 in a trailer.
func (s *Server) runBackup(ofKeys bool) func(w http.ResponseWriter, r *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if s.Backup == nil {
			return ledger.ErrUnavailable
		}
		raw, err := body(w, r, true)
		if err != nil {
			return err
		}
		dryRun, err := dry(r)
		if err != nil {
			return err
		}
		req := backup.Request{Keys: ofKeys}
		if err := readBackup(raw, &req); err != nil {
			return err
		}
		b, err := s.Backup(r.Context(), req)
		if errors.Is(err, backup.ErrOtherLedger) {
			return fail(http.StatusConflict, "other_ledger", "The earlier backup is not one of this ledger as it is now. Make a whole one, without since.")
		}
		if err != nil {
			return err
		}
		defer func() {
			if err := b.Close(); err != nil {
				s.Log.Warn("a backup's temporary file stays", "error", err)
			}
		}()
		if dryRun {
			return s.send(w, r, http.StatusOK, map[string]any{"data": b.Manifest, "dryRun": true})
		}
		return s.streamBackup(w, r, b)
	}
}

func readBackup(raw []byte, req *backup.Request) error {
	wrong := func(pointer, code, message string) error {
		return &ledger.Refusal{Fields: []ledger.FieldError{{Pointer: pointer, Code: code, Message: message}}}
	}
	if len(raw) > 0 {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(req); err != nil {
			return wrong("", "invalid", "The body has since, recipients and passphrase, and nothing else.")
		}
		if _, err := d.Token(); err != io.EOF {
			return wrong("", "invalid", "Something follows the object.")
		}
	}
	if err := req.Check(); err != nil {
		return wrong("/recipients", "invalid", err.Error())
	}
	return nil
}

func (s *Server) streamBackup(w http.ResponseWriter, r *http.Request, b *backup.Backup) error {
	h := w.Header()
	h.Set("Content-Type", backupType)
	h.Set("Cache-Control", "no-store")
	h.Set("Trailer", backupSum)
	sum := sha256.New()
	if err := b.Write(r.Context(), io.MultiWriter(w, sum), nil); err != nil {
		return err
	}
	h.Set(backupSum, hex.EncodeToString(sum.Sum(nil)))
	s.Log.Info("backup written", "kind", b.Manifest.Kind, "id", b.Manifest.ID, "seq", b.Manifest.Head.Seq)
	return nil
}
