package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"vitae/ledger"
	"vitae/ledger/proof"
)

// TransparencyLog is the log over the ledger.
type TransparencyLog interface {
	// Key is the note verifier key.
	Key() string
	// Checkpoint gives the newest checkpoint that this instance can prove things with.
	Checkpoint(ctx context.Context) (proof.Checkpoint, error)
	// Inclusion and Consistency wait for a checkpoint that covers what they are asked for.
	Inclusion(ctx context.Context, seq ledger.Seq) (proof.Inclusion, error)
	Consistency(ctx context.Context, from, to uint64) (proof.Consistency, error)
	// Wait returns once a commit is under the checkpoint that is served, and InclusionIn
	// proves that one is in the tree of a checkpoint that was: many proofs share it.
	Wait(ctx context.Context, seq ledger.Seq) error
	InclusionIn(c proof.Checkpoint, seq ledger.Seq) (proof.Inclusion, error)
	// Signer signs receipts with the log's key.
	Signer() *proof.Signer
	// Tile gives a tile or a bundle of entries by its path.
	Tile(path string) (proof.Tile, error)
	// Cosign takes a witness's signature of the present checkpoint.
	Cosign(ctx context.Context, note []byte) (proof.Checkpoint, error)
	Health(ctx context.Context) (proof.Health, error)
}

// logTimeout bounds how long a proof waits until its commit is under a checkpoint.
const logTimeout = 2 * time.Second

// maxNote bounds the body of a cosignature.
const maxNote = 64 << 10

func (s *Server) logRoutes() []route {
	out := []route{
		{method: "GET", path: "/log/checkpoint", id: "getCheckpoint", summary: "The transparency log's newest checkpoint (C2SP tlog-checkpoint)", run: s.getCheckpoint, reply: "text/plain"},
		{method: "GET", path: "/log/key", id: "getLogKey", summary: "The key that verifies checkpoints (C2SP signed-note)", run: s.getLogKey, reply: "text/plain"},
		{method: "GET", path: "/log/tile/{path...}", id: "getTile", summary: "A tile or a bundle of entries (C2SP tlog-tiles)", run: s.getTile,
			reply: "application/octet-stream", fails: []int{404}},
		{method: "POST", path: "/log/cosignature", id: "postCosignature", summary: "Add a known witness's signature to the present checkpoint (C2SP tlog-cosignature)", run: s.postCosignature,
			request: "bytes", reply: "text/plain", fails: []int{400, 409, 413}},
		{method: "GET", path: "/v1/log/proof", id: "getProof", summary: "Prove that a commit is in the log", run: s.getProof, reply: "Inclusion", query: []string{"logSeq"}, fails: []int{400}},
		{method: "GET", path: "/v1/log/consistency", id: "getConsistency", summary: "Prove that a tree of the log begins with a smaller one", run: s.getConsistency,
			reply: "Consistency", query: []string{"logFrom", "logTo"}, fails: []int{400}},
	}
	for i := range out {
		out[i].open = true
		out[i].run = s.withLog(out[i].run)
		out[i].fails = append(out[i].fails, http.StatusServiceUnavailable)
	}
	return tagged("log", false, out)
}

// withLog answers where there is no log.
func (s *Server) withLog(run func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if s.Transparency == nil {
			return ledger.ErrUnavailable
		}
		return run(w, r)
	}
}

func logSchemas(out object) {
	hash := object{"type": "string", "pattern": "^[0-9a-f]{64}$"}
	number := object{"type": "integer"}
	out["Inclusion"] = shape(object{"seq": number, "leafIndex": number, "leafHash": hash, "treeSize": number, "hashes": arrayOf(hash),
		"checkpoint": object{"type": "string"}}, "seq", "leafIndex", "leafHash", "treeSize", "hashes", "checkpoint")
	out["Consistency"] = shape(object{"from": number, "to": number, "hashes": arrayOf(hash)}, "from", "to", "hashes")
}

// logParameters adds the parameters of the log's routes, under names of their own.
func logParameters(out object) {
	size := object{"type": "integer", "minimum": 0}
	out["logSeq"] = object{"in": "query", "name": "seq", "required": true, "description": "The commit's sequence.", "schema": object{"type": "integer", "minimum": 1}}
	out["logFrom"] = object{"in": "query", "name": "from", "required": true, "description": "The size of the smaller tree.", "schema": size}
	out["logTo"] = object{"in": "query", "name": "to", "required": true, "description": "The size of the larger tree.", "schema": size}
}

// static says how a file of the log may be cached, and lets every page read it: it is the
// same for everybody, and nobody needs to be believed who passes it on.
func static(w http.ResponseWriter, contentType, cache string) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", cache)
	h.Set("Access-Control-Allow-Origin", "*")
}

const (
	forever  = "public, max-age=31536000, immutable"
	shortly  = "public, max-age=60"
	noCache  = "no-cache"
	noteType = "text/plain; charset=utf-8"
)

// file sends a static file; HEAD gets everything but the bytes.
func (s *Server) file(w http.ResponseWriter, r *http.Request, data []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		s.write(w, r, data)
	}
}

func (s *Server) getCheckpoint(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), logTimeout)
	defer cancel()
	c, err := s.Transparency.Checkpoint(ctx)
	if err != nil {
		return logProblem(err)
	}
	static(w, noteType, noCache)
	s.file(w, r, c.Note)
	return nil
}

func (s *Server) getLogKey(w http.ResponseWriter, r *http.Request) error {
	static(w, noteType, shortly)
	s.file(w, r, []byte(s.Transparency.Key()+"\n"))
	return nil
}

func (s *Server) getTile(w http.ResponseWriter, r *http.Request) error {
	t, err := s.Transparency.Tile("tile/" + r.PathValue("path"))
	if err != nil {
		return logProblem(err)
	}
	cache := shortly
	if t.Full {
		cache = forever
	}
	static(w, "application/octet-stream", cache)
	s.file(w, r, t.Data)
	return nil
}

// postCosignature takes a checkpoint with cosignatures under it. Like a witness, it
// answers 409 with the present size to who brings an older one.
func (s *Server) postCosignature(w http.ResponseWriter, r *http.Request) error {
	note, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxNote))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return fail(http.StatusRequestEntityTooLarge, "content_too_large", "A checkpoint with its signatures may have 64 KiB.")
	case err != nil:
		return fail(http.StatusBadRequest, "body_unreadable", "The body could not be read to its end.")
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	c, err := s.Transparency.Cosign(ctx, note)
	switch {
	case errors.Is(err, proof.ErrNotCurrent):
		static(w, "text/x.tlog.size", noCache)
		w.WriteHeader(http.StatusConflict)
		s.write(w, r, []byte(strconv.FormatUint(c.Size, 10)+"\n"))
		return nil
	case errors.Is(err, proof.ErrCosignature):
		return fail(http.StatusBadRequest, "cosignature_invalid", "Send a checkpoint of this log with the cosignature of a witness it knows: "+err.Error()+".")
	case err != nil:
		return logProblem(err)
	}
	static(w, noteType, noCache)
	s.file(w, r, c.Note)
	return nil
}

func (s *Server) getProof(w http.ResponseWriter, r *http.Request) error {
	seq, err := sizeOf(r, "seq", 1)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), logTimeout)
	defer cancel()
	if err := s.inLedger(ctx, seq); err != nil {
		return err
	}
	p, err := s.Transparency.Inclusion(ctx, ledger.Seq(seq))
	if err != nil {
		return logProblem(err)
	}
	static(w, "application/json", noCache)
	return s.send(w, r, http.StatusOK, p)
}

func (s *Server) getConsistency(w http.ResponseWriter, r *http.Request) error {
	from, err := sizeOf(r, "from", 0)
	if err != nil {
		return err
	}
	to, err := sizeOf(r, "to", 0)
	if err != nil {
		return err
	}
	if from > to {
		return fail(http.StatusBadRequest, "invalid_query", "from is the smaller tree: it must not be greater than to.")
	}
	ctx, cancel := context.WithTimeout(r.Context(), logTimeout)
	defer cancel()
	if err := s.inLedger(ctx, to); err != nil {
		return err
	}
	p, err := s.Transparency.Consistency(ctx, from, to)
	if err != nil {
		return logProblem(err)
	}
	static(w, "application/json", noCache)
	return s.send(w, r, http.StatusOK, p)
}

// sizeOf reads a whole number that must be given.
func sizeOf(r *http.Request, name string, least uint64) (uint64, error) {
	q, err := query(r)
	if err != nil {
		return 0, err
	}
	text, err := one(q, name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(text, 10, 53)
	if err != nil || n < least || strconv.FormatUint(n, 10) != text {
		return 0, fail(http.StatusBadRequest, "invalid_query", name+" must be given as a whole number from "+strconv.FormatUint(least, 10)+" on.")
	}
	return n, nil
}

// inLedger refuses what lies behind the ledger's head.
func (s *Server) inLedger(ctx context.Context, size uint64) error {
	head, err := s.Core.Head(ctx)
	if err == nil && size > uint64(head) {
		err = fail(http.StatusBadRequest, "beyond_head", "The ledger ends at sequence "+strconv.FormatUint(uint64(head), 10)+".")
	}
	return err
}

// logProblem tells what stands in the way of the log: hashes, sizes and what to do, never
// a value.
func logProblem(err error) error {
	var fork *proof.ForkError
	var refused *proof.RefusedError
	switch {
	case errors.As(err, &fork):
		return fail(http.StatusServiceUnavailable, "log_stopped", "The log has stopped at its last good checkpoint: "+fork.Error()+".")
	case errors.As(err, &refused):
		return fail(http.StatusServiceUnavailable, "log_stopped", "The log has stopped at its last good checkpoint: "+refused.Error()+".")
	case errors.Is(err, proof.ErrDamaged):
		return fail(http.StatusInternalServerError, "ledger_broken", "What is stored is not intact. "+err.Error()+". Run vitae fsck; asking again will not help.")
	case errors.Is(err, ledger.ErrUnavailable):
		return &problem{status: http.StatusServiceUnavailable, code: "unavailable", retryAfter: 1,
			detail: "It is not under a checkpoint of this instance yet. Ask again."}
	}
	return err
}

// logHealth says why the log signs nothing; nil while it does.
func logHealth(h proof.Health, err error) error {
	switch {
	case err != nil:
		return err
	case h.Err != nil:
		return h.Err
	case !h.Running:
		return errors.New("it has stopped")
	}
	return nil
}
