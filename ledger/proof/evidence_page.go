package proof

import (
	"crypto/sha256"
	_ "embed" // for the parts of the page
	"encoding/base64"
	"strings"
)

// The parts of the page that verifies a bundle.
var (
	//go:embed evidence_page.html
	pageHTML string
	//go:embed evidence_page.css
	pageCSS string
	//go:embed evidence_verify.js
	verifyJS string
	//go:embed evidence_page.js
	pageJS string
)

// EvidencePage is a page that verifies bundles in a browser, also from a file. With a
// bundle it shows that one at once; nil makes a page that asks for one. Its policy allows
// no connection and no script but its own. Nothing in a bundle can become part of the
// page's code: it is carried in base64 and shown as text.
func EvidencePage(bundle []byte) []byte {
	policy := "default-src 'none'; script-src " + sourceHash(verifyJS) + " " + sourceHash(pageJS) +
		"; style-src " + sourceHash(pageCSS) + "; base-uri 'none'; form-action 'none'"
	return []byte(strings.NewReplacer("{policy}", policy, "{style}", pageCSS, "{verifier}", verifyJS, "{page}", pageJS,
		"{bundle}", base64.StdEncoding.EncodeToString(bundle)).Replace(pageHTML))
}

// sourceHash names a text that stands in the page, for its policy.
func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
