package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"vitae/ledger"
)

// The largest bodies.
const (
	maxBody   = 1 << 20
	maxUpload = 20 << 20
)

// acceptPatch lists the media types of a JSON body.
const acceptPatch = "application/json, application/merge-patch+json"

// isJSON says whether a Content-Type is JSON in UTF-8.
func isJSON(contentType string) bool {
	if contentType == "application/json" { // nearly always
		return true
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || media != "application/json" && media != "application/merge-patch+json" {
		return false
	}
	charset, given := params["charset"]
	return !given || strings.EqualFold(charset, "utf-8")
}

// body reads a JSON body; nil when it is optional and there is none.
func body(w http.ResponseWriter, r *http.Request, optional bool) ([]byte, error) {
	return bodyUpTo(w, r, optional, maxBody)
}

// bodyUpTo is body with another limit, in bytes: whole MiB.
func bodyUpTo(w http.ResponseWriter, r *http.Request, optional bool, limit int64) ([]byte, error) {
	if optional && r.ContentLength == 0 {
		return nil, nil
	}
	if !isJSON(r.Header.Get("Content-Type")) {
		w.Header().Set("Accept-Patch", acceptPatch)
		return nil, fail(http.StatusUnsupportedMediaType, "unsupported_media_type", "The body must be JSON in UTF-8: send Content-Type: application/json.")
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		w.Header().Set("Accept-Encoding", "identity")
		return nil, fail(http.StatusUnsupportedMediaType, "unsupported_encoding", "The body must not be compressed.")
	}
	return readBody(w, r, limit)
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	tooLarge := fail(http.StatusRequestEntityTooLarge, "content_too_large", "The body is over "+strconv.FormatInt(limit>>20, 10)+" MiB.")
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close") // the rest is not read
		return nil, tooLarge
	}
	limited := http.MaxBytesReader(w, r.Body, limit)
	b := make([]byte, 0, max(r.ContentLength+1, 512))
	for {
		n, err := limited.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		var long *http.MaxBytesError
		if errors.As(err, &long) {
			return nil, tooLarge
		}
		if err != nil {
			return nil, fail(http.StatusBadRequest, "body_unreadable", "The body could not be read to its end.")
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}

// query reads the query of a request; what cannot be parsed is refused as a whole.
func query(r *http.Request) (url.Values, error) {
	if r.URL.RawQuery == "" {
		return nil, nil
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fail(http.StatusBadRequest, "invalid_query", "The query is malformed.")
	}
	return q, nil
}

// one gives a parameter that may be there once.
func one(q url.Values, name string) (string, error) {
	switch v := q[name]; len(v) {
	case 0:
		return "", nil
	case 1:
		return v[0], nil
	}
	return "", fail(http.StatusBadRequest, "invalid_query", name+" must be given once.")
}

// number reads a whole number; above most it is most.
func number(q url.Values, name string, otherwise, least, most int) (int, error) {
	text, err := one(q, name)
	if err != nil || text == "" {
		return otherwise, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least {
		return 0, fail(http.StatusBadRequest, "invalid_query", name+" must be a whole number from "+strconv.Itoa(least)+" to "+strconv.Itoa(most)+".")
	}
	return min(n, most), nil
}

// dry says whether the caller only wants to know what would happen.
func dry(r *http.Request) (bool, error) {
	q, err := query(r)
	if err != nil {
		return false, err
	}
	text, err := one(q, "dryRun")
	if err != nil {
		return false, err
	}
	switch text {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, fail(http.StatusBadRequest, "invalid_query", "dryRun must be true or false.")
}

// via names the road a request came on; the command line and the console say so.
func via(r *http.Request) string {
	rt := exchangeOf(r).route
	if rt.dialect != nil {
		return rt.dialect.name
	}
	if rt.path == importPath {
		return "import"
	}
	switch v := r.Header.Get("X-Vitae-Via"); v {
	case "cli", "import", "console":
		return v
	}
	if r.Header.Get("User-Agent") == "vitae-cli" {
		return "cli"
	}
	return "native"
}

// maxReason is how many code points a reason may have.
const maxReason = 1000

// meta is who asks, through what, and why.
func meta(r *http.Request) (ledger.Meta, error) {
	x := exchangeOf(r)
	m := ledger.Meta{Actor: x.key.Actor(), Via: via(r), RequestID: x.id}
	if why := r.Header.Get("X-Vitae-Reason"); why != "" {
		if !utf8.ValidString(why) || ledger.Length(why) > maxReason {
			return m, fail(http.StatusBadRequest, "reason_invalid", "X-Vitae-Reason must be UTF-8 of at most "+strconv.Itoa(maxReason)+" characters.")
		}
		m.Reason = why
	}
	return m, nil
}

// ifMatch reads If-Match: nil when there is none, or "*". A weak tag, or one that is none
// of ours, matches nothing; several match if one of them does, which only a state can tell,
// so they are refused.
func ifMatch(r *http.Request) (*ledger.Seq, error) {
	tag := strings.TrimSpace(r.Header.Get("If-Match"))
	if tag == "" || tag == "*" {
		return nil, nil
	}
	if strings.Contains(tag, ",") || len(r.Header["If-Match"]) > 1 {
		return nil, fail(http.StatusBadRequest, "if_match_invalid", "If-Match takes one entity tag here.")
	}
	seq := ^ledger.Seq(0)
	if len(tag) > 2 && tag[0] == '"' && tag[len(tag)-1] == '"' {
		if n, err := strconv.ParseUint(tag[1:len(tag)-1], 10, 63); err == nil && tag[1] != '0' {
			seq = ledger.Seq(n)
		}
	}
	return &seq, nil
}
