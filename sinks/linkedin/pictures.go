package linkedin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
)

// The steps of a picture. Each registration makes a new asset; an upload may be repeated;
// the last step says which two assets are the picture.
const (
	stepRegisterOriginal = "register.original"
	stepUploadOriginal   = "upload.original"
	stepRegisterDisplay  = "register.display"
	stepUploadDisplay    = "upload.display"
	stepPatch            = "patch"
)

func pictureSteps() []string {
	return []string{stepRegisterOriginal, stepUploadOriginal, stepRegisterDisplay, stepUploadDisplay, stepPatch}
}

// recipe names what an upload is made into.
func recipe(entity, step string) string {
	kind, what := "original", "photo"
	if step == stepRegisterDisplay {
		kind = "display"
	}
	if entity == BackgroundPicture {
		what = "background"
	}
	return "urn:li:digitalmediaRecipe:profile-" + kind + what + "-image"
}

// mechanism is the member of a registration's answer that says where to upload.
const mechanism = "com.linkedin.digitalmedia.uploading.MediaUploadHttpRequest"

// callPicture makes the request of one step.
func (p *Provider) callPicture(ctx context.Context, c sinks.Call) sinks.Outcome {
	switch c.Step {
	case stepRegisterOriginal, stepRegisterDisplay:
		return p.register(ctx, c)
	case stepUploadOriginal:
		return p.upload(ctx, c, stepRegisterOriginal)
	case stepUploadDisplay:
		return p.upload(ctx, c, stepRegisterDisplay)
	case stepPatch:
		original, ok1 := ticketOf(c.Results[stepRegisterOriginal])
		display, ok2 := ticketOf(c.Results[stepRegisterDisplay])
		if !ok1 || !ok2 {
			return sinks.Unsent(sinks.StepGone, "no_asset", "a registration came to nothing: the picture is uploaded again")
		}
		set := object(member("originalImage", ledger.TextNode(original.asset)), member("displayImage", ledger.TextNode(display.asset)))
		// Pictures, and nothing else, have the operator inside the field.
		body := object(member("patch", object(member(c.Entity, object(member("$set", set))))))
		return p.edit(ctx, c, request{method: "PARTIAL_UPDATE", body: body.Append(nil)})
	}
	return sinks.Mistake("a picture has no such step")
}

// ticket is what a registration gives: an asset, and where its bytes go.
type ticket struct{ asset, url string }

func ticketOf(result []byte) (ticket, bool) {
	n, err := ledger.ParseJSON(result)
	asset, _ := n.Member("asset")
	uploadURL, _ := n.Member("uploadUrl")
	return ticket{asset.Text, uploadURL.Text}, err == nil && asset.Text != "" && uploadURL.Text != ""
}

// register asks for a place to upload to. Its result holds the asset and the URL; the URL
// is as good as a credential.
func (p *Provider) register(ctx context.Context, c sinks.Call) sinks.Outcome {
	body := object(member("registerUploadRequest", object(
		member("recipes", array(ledger.TextNode(recipe(c.Entity, c.Step)))),
		member("owner", ledger.TextNode(personURN(c.Account))),
		member("serviceRelationships", array()))))
	a, bad := p.exchange(ctx, c, request{method: "ACTION", url: p.base + "/v2/assets?action=registerUpload", body: body.Append(nil)})
	if bad != nil {
		return *bad
	}
	out := judge(rules, a, c)
	if out.Verdict != sinks.Applied {
		return out
	}
	got, ok := registered(a.Body)
	switch {
	case !ok:
		return sinks.Garbage(a.Status, "LinkedIn's")
	case !p.mayUpload(got.url):
		return elsewhere(a.Status, sinks.SentYes)
	}
	out.Result = object(member("asset", ledger.TextNode(got.asset)), member("uploadUrl", ledger.TextNode(got.url))).Append(nil)
	return out
}

// registered reads the answer to a registration.
func registered(body []byte) (got ticket, ok bool) {
	n, err := ledger.ParseJSON(body)
	value, _ := n.Member("value")
	asset, _ := value.Member("asset")
	how, _ := value.Member("uploadMechanism")
	how, _ = how.Member(mechanism)
	to, _ := how.Member("uploadUrl")
	ok = err == nil && asset.Kind == ledger.NodeString && strings.HasPrefix(asset.Text, "urn:li:") && to.Kind == ledger.NodeString && to.Text != ""
	return ticket{asset.Text, to.Text}, ok
}

// upload sends the file's bytes to the place that the registration gave.
func (p *Provider) upload(ctx context.Context, c sinks.Call, registration string) sinks.Outcome {
	got, ok := ticketOf(c.Results[registration])
	switch {
	case !ok:
		return sinks.Unsent(sinks.StepGone, "no_place", "a registration came to nothing: the picture is uploaded again")
	case !p.mayUpload(got.url):
		return elsewhere(0, sinks.SentNo)
	case c.File == nil:
		return sinks.Mistake("there are no files to open")
	}
	n, err := ledger.ParseJSON(c.Body)
	reference, _ := n.Member("file")
	if err != nil || reference.Kind != ledger.NodeString {
		return sinks.Mistake("the body does not name a file")
	}
	file, err := c.File(ctx, reference.Text)
	switch {
	case errors.Is(err, ledger.ErrNotFound), errors.Is(err, ledger.ErrErased):
		return sinks.Unsent(sinks.Refused, "no_file", "the picture's file is not there")
	case err != nil:
		return sinks.Unsent(sinks.NotSent, "no_file", "the picture's file could not be opened")
	}
	defer func() { _ = file.Close() }() // it was only read
	content := sinks.NewWhole(file)
	req, bad := prepare(ctx, c, http.MethodPut, got.url, content)
	if bad != nil {
		return *bad
	}
	req.ContentLength = file.Size
	if file.Size == 0 {
		req.Body = http.NoBody
	}
	kind := file.MediaType
	if kind == "" {
		kind = "application/octet-stream"
	}
	req.Header.Set("Content-Type", kind)
	a := sinks.Exchange(ctx, p.http, req)
	if a.Status == 0 && content.Broke() {
		return sinks.FileBroke()
	}
	page := strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") // somebody else's
	if a.Err == nil && !page && (a.Status == http.StatusOK || a.Status == http.StatusCreated) {
		a.Body = nil // what a place for uploads says besides is its own business
	}
	return judge(rules, a, c)
}

// mayUpload says whether a token and a picture may go to an upload URL: it has the origin
// of the base URL, or is https on a host of LinkedIn's.
func (p *Provider) mayUpload(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.User != nil || u.Host == "" {
		return false
	}
	return originOf(u) == p.origin || u.Scheme == "https" && strings.HasSuffix(strings.ToLower(u.Hostname()), ".linkedin.com")
}

// originOf is scheme, host and port.
func originOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// elsewhere refuses an upload URL; status and sent are those of the request that the call
// made, if it made one.
func elsewhere(status int, sent sinks.Sent) sinks.Outcome {
	return sinks.Outcome{Verdict: sinks.SinkError, Fault: sinks.Fault{HTTP: status, Type: "upload_elsewhere",
		Message: "the upload URL leads neither to the base URL's host nor to LinkedIn's", Sent: sent}}
}
