package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/ledger/proof"
)

// evidenceTimeout bounds how long an export takes, its wait for the log included.
const evidenceTimeout = 60 * time.Second

// evidenceSlots is how many bundles are put together at a time: each may take a few times
// proof.MaxEvidence of memory.
const evidenceSlots = 2

func (s *Server) evidenceRoutes() []route {
	return tagged("audit", false, []route{
		{method: "GET", path: "/v1/profiles/{profile}/evidence", profile: true, inPath: true, audited: true, scope: keys.AuditRead, id: "getEvidence",
			summary: "Export commits of a profile with the proof that the log has them, as one file that can be verified offline", run: s.getEvidence,
			reply: "application/json", query: []string{"from", "to", "values", "format"}, fails: []int{400, 404, 413, 503}},
	})
}

func evidenceParameters(out object) {
	text := object{"type": "string"}
	out["getEvidence.values"] = object{"in": "query", "name": "values", "schema": text,
		"description": "Which values are disclosed: all, none, or names of fields with commas. Without it: all that the key may see."}
	out["getEvidence.format"] = object{"in": "query", "name": "format", "schema": object{"type": "string", "enum": []any{"json", "html"}},
		"description": "The bundle, or a page with the bundle that verifies it in a browser without a network."}
}

// disclosure says which values a bundle shows.
type disclosure struct {
	all    bool
	fields []string
}

func (d disclosure) shows(e *ledger.Event) bool {
	if e.Sealed == nil {
		return false
	}
	field, _, _ := strings.Cut(e.Field, "@")
	return d.all || slices.Contains(d.fields, e.Field) || slices.Contains(d.fields, field)
}

// disclosureOf reads which values are wanted, within what the key may see.
func disclosureOf(q url.Values, sees bool) (disclosure, error) {
	text, err := one(q, "values")
	switch {
	case err != nil:
		return disclosure{}, err
	case text == "" && q["values"] == nil:
		return disclosure{all: sees}, nil
	case text == "none":
		return disclosure{}, nil
	case !sees:
		return disclosure{}, fail(http.StatusForbidden, "scope_missing", "The key lacks the scope for values: "+strings.Join(keys.ValuesRead.Names(), "")+". Ask with values=none.")
	case text == "all":
		return disclosure{all: true}, nil
	}
	d := disclosure{fields: strings.Split(text, ",")}
	var wrong []ledger.FieldError
	for _, name := range d.fields {
		if _, _, ok := ledger.Lookup(name); !ok && name != ledger.Connections && name != ledger.Deliveries {
			wrong = append(wrong, ledger.FieldError{Pointer: "/values", Code: ledger.CodeUnknownField, Message: "there is no field " + strconv.QuoteToASCII(name) + "; or all, or none"})
		}
	}
	if wrong != nil {
		return d, &ledger.Refusal{Fields: wrong}
	}
	return d, nil
}

// getEvidence exports a bundle. Of an erased profile it has no values, and goes to who may
// audit all profiles.
func (s *Server) getEvidence(w http.ResponseWriter, r *http.Request) error {
	x := exchangeOf(r)
	q, err := query(r)
	if err != nil {
		return err
	}
	if err := only(q, "from", "to", "values", "format"); err != nil {
		return err
	}
	format, err := one(q, "format")
	if err != nil || format != "" && format != "json" && format != "html" {
		return fail(http.StatusBadRequest, "invalid_query", "format must be json or html.")
	}
	show, err := disclosureOf(q, seesValues(x))
	if err != nil {
		return err
	}
	if s.Transparency == nil {
		return ledger.ErrUnavailable
	}
	ctx, cancel := context.WithTimeout(r.Context(), evidenceTimeout)
	defer cancel()
	p, err := s.present(ctx, x)
	erased := errors.Is(err, ledger.ErrErased)
	if err != nil && (!erased || !x.key.ForAll()) {
		return err
	}
	if erased {
		show = disclosure{}
	}
	within := url.Values{}
	for _, name := range []string{"from", "to"} {
		if q[name] != nil {
			within[name] = q[name]
		}
	}
	h, err := s.historyQuery(ctx, within)
	if err != nil {
		return err
	}
	select {
	case s.evidence <- struct{}{}:
		defer func() { <-s.evidence }()
	case <-ctx.Done():
		return ctx.Err()
	}
	bundle, size, err := s.bundle(ctx, x.profile, p, h.after.seq, h.to, show)
	switch {
	case errors.Is(err, proof.ErrEvidenceTooLarge):
		return fail(http.StatusRequestEntityTooLarge, "evidence_too_large", "The bundle would be over "+strconv.Itoa(proof.MaxEvidence>>20)+" MiB. Ask for ranges, with from and to.")
	case errors.Is(err, proof.ErrNoEvidence):
		return fail(http.StatusNotFound, "no_commits", "The profile has no commit in that range.")
	case err != nil:
		return err
	}
	head := w.Header()
	name := "evidence-" + x.profile.String() + "-" + strconv.FormatUint(size, 10)
	if format == "html" {
		head["Content-Type"] = []string{"text/html; charset=utf-8"}
		head["Content-Disposition"] = []string{`attachment; filename="` + name + `.html"`}
		page := proof.EvidencePage(bundle)
		head["Content-Length"] = []string{strconv.Itoa(len(page))}
		s.write(w, r, page)
		return nil
	}
	head["Content-Disposition"] = []string{`attachment; filename="` + name + `.json"`}
	s.raw(w, r, http.StatusOK, bundle)
	return nil
}

// bundle puts together the bundle of a profile's commits after one sequence up to another,
// and says how large the log was. now is the present state, or nil.
func (s *Server) bundle(ctx context.Context, id ledger.ProfileID, now *ledger.Profile, after, to ledger.Seq, show disclosure) ([]byte, uint64, error) {
	last, err := s.latest(ctx)
	if err != nil {
		return nil, 0, err
	}
	if err := s.Transparency.Wait(ctx, last.seq); err != nil {
		return nil, 0, err
	}
	c, err := s.Transparency.Checkpoint(ctx)
	if err != nil {
		return nil, 0, err
	}
	if err := s.History.Wait(ctx, ledger.Seq(c.Size)); err != nil {
		return nil, 0, err
	}
	head, err := s.lastCommit(ctx, id, ledger.Seq(c.Size))
	if err != nil {
		return nil, 0, err
	}
	// The operator's word is about to be given: two parts must agree on what is last.
	if now != nil && head.Seq < now.Seq {
		return nil, 0, &ledger.ChainError{Profile: id, Seq: now.Seq, Why: fmt.Sprintf("the history ends at sequence %d", head.Seq)}
	}
	b := proof.NewEvidence(id)
	for to = min(to, head.Seq); after < to; {
		commits, err := s.History.Commits(ctx, id, after, historyPage)
		if err != nil {
			return nil, 0, err
		}
		for i := range commits {
			r := &commits[i]
			if r.Seq > to {
				break
			}
			values, err := s.disclosed(id, r, show)
			if err != nil {
				return nil, 0, err
			}
			in, err := s.Transparency.InclusionIn(c, r.Seq)
			if err != nil {
				return nil, 0, err
			}
			if err := b.Add(r, in.Hashes, values); err != nil {
				return nil, 0, err
			}
		}
		if len(commits) < historyPage {
			break
		}
		after = commits[len(commits)-1].Seq
	}
	in, err := s.Transparency.InclusionIn(c, head.Seq)
	if err != nil {
		return nil, 0, err
	}
	receipt, err := s.Transparency.Signer().SignText(proof.HeadReceipt(proof.StatementOf(head), c.Size))
	if err != nil {
		return nil, 0, err
	}
	out, err := b.Finish(c, s.Transparency.Key(), head, in.Hashes, receipt)
	return out, c.Size, err
}

// lastCommit is the profile's last commit that is not after a sequence.
func (s *Server) lastCommit(ctx context.Context, id ledger.ProfileID, seq ledger.Seq) (*ledger.Record, error) {
	p, err := s.History.StateAt(ctx, id, seq)
	if err != nil {
		return nil, err
	}
	commits, err := s.History.Commits(ctx, id, p.Seq-1, 1)
	if err != nil {
		return nil, err
	}
	if len(commits) != 1 || commits[0].Seq != p.Seq {
		return nil, &ledger.ChainError{Profile: id, Seq: p.Seq, Why: "the history has not the commit that its state ends with"}
	}
	return &commits[0], nil
}

// disclosed opens the values of a commit that are shown, each checked against what was
// committed to.
func (s *Server) disclosed(id ledger.ProfileID, r *ledger.Record, show disclosure) ([]proof.EvidenceValue, error) {
	var out []proof.EvidenceValue
	for k := range r.Commit.Events {
		e := r.Commit.Events[k]
		if !show.shows(&e) {
			continue
		}
		payload, err := s.Vault.Open(id, r.Commit.ID, k, e.Sealed)
		if err != nil {
			return nil, err
		}
		if err := e.SetPayload(payload); err != nil {
			return nil, &ledger.ChainError{Profile: id, Seq: r.Seq, Why: err.Error()}
		}
		out = append(out, proof.EvidenceValue{Index: k, Salt: e.Salt, Value: string(e.Value), Typed: string(e.Typed)})
	}
	return out, nil
}
