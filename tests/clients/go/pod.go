package main

import (
	"context"
	"net/http"
	"net/url"
	"os"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// pod gets tokens with the service-account token, which it reads anew for each renewal.
type pod struct {
	ctx          context.Context
	organization string
}

func (p pod) Token() (*oauth2.Token, error) {
	assertion, err := os.ReadFile(os.Getenv("TOKEN_BROKER_TOKEN_FILE"))
	if err != nil {
		return nil, err
	}
	broker := clientcredentials.Config{
		TokenURL:  os.Getenv("TOKEN_BROKER") + "/token",
		Scopes:    []string{p.organization},
		AuthStyle: oauth2.AuthStyleInParams,
		EndpointParams: url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"},
			"assertion":  {string(assertion)},
		},
	}
	return broker.Token(p.ctx)
}

// canvasFromPod returns a client for calls to Canvas.
func canvasFromPod(ctx context.Context, organization string) *http.Client {
	return oauth2.NewClient(ctx, oauth2.ReuseTokenSource(nil, pod{ctx, organization}))
}
