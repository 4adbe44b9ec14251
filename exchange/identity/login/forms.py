"""What do the forms of sign-in ask, and in which words do they answer?

The forms are Flask-Security's; the labels, the messages and the summary of errors are ours.
"""

from __future__ import annotations

from typing import Any, ClassVar

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from flask_security import (
    ChangePasswordForm,
    ForgotPasswordForm,
    LoginForm,
    MfRecoveryCodesForm,
    MfRecoveryForm,
    ResetPasswordForm,
    TwoFactorRescueForm,
    TwoFactorSelectForm,
    TwoFactorSetupForm,
    TwoFactorVerifyCodeForm,
    VerifyForm,
)
from wtforms import HiddenField, PasswordField

from exchange.identity.login import LONGEST
from exchange.web.forms import PageForm
from exchange.web.redirects import local_path

_EMAIL = _l("E-mail address")
_PASSWORD = _l("Password")
_NEW = _l("New password")
_REPEATED = _l("New password, once more")
_CODE = _l("Code from your authenticator")


class OurWords:
    """Labels of ours on the fields of a form of Flask-Security's, and the problems as our pages list them."""

    LABELS: ClassVar[dict[str, LazyString]] = {}
    problems = PageForm.problems
    next: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in self.LABELS.items():
            field: Any = self[name]  # type: ignore[index]  # a form, once it is mixed in
            field.label.text, field.description = label, ""
            field.flags.required = True
        for field in self:  # type: ignore[attr-defined]  # the same
            if isinstance(field, PasswordField) and field.data:
                # What is longer than any password is nobody's; the library's hash would break off with an error.
                field.data = field.data[: LONGEST + 1]
        if "next" in self:  # type: ignore[operator]  # the same
            self.next.data = local_path(self.next.data, default="")


class SignInForm(OurWords, LoginForm):
    """The first step of signing in. Nobody is remembered on a machine that others may use."""

    LABELS: ClassVar[dict[str, LazyString]] = {"email": _EMAIL, "password": _PASSWORD}
    remember = None


class AgainForm(OurWords, VerifyForm):
    """Showing once more who one is."""

    LABELS: ClassVar[dict[str, LazyString]] = {"password": _PASSWORD}


class ForgotForm(OurWords, ForgotPasswordForm):
    """Asking for a letter with a link."""

    LABELS: ClassVar[dict[str, LazyString]] = {"email": _EMAIL}


class ResetForm(OurWords, ResetPasswordForm):
    """Choosing a password after the link."""

    LABELS: ClassVar[dict[str, LazyString]] = {"password": _NEW, "password_confirm": _REPEATED}


class ChangeForm(OurWords, ChangePasswordForm):
    """Choosing another password."""

    LABELS: ClassVar[dict[str, LazyString]] = {
        "password": _l("Present password"),
        "new_password": _NEW,
        "new_password_confirm": _REPEATED,
    }


class ChoiceMadeByButton(HiddenField):
    """A choice that our page makes with its buttons; the library looks at ``choices`` and adds to them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.choices: list[Any] = []


class SecondStepForm(OurWords, TwoFactorSetupForm):
    """Setting up, or moving, the second step."""

    setup = ChoiceMadeByButton()


class CodeForm(OurWords, TwoFactorVerifyCodeForm):
    """The code of the authenticator."""

    LABELS: ClassVar[dict[str, LazyString]] = {"code": _CODE}


class NoCodeForm(OurWords, TwoFactorRescueForm):
    """What to do without the authenticator."""

    help_setup = ChoiceMadeByButton()


class RecoveryForm(OurWords, MfRecoveryForm):
    """A recovery code in the place of the authenticator's."""

    LABELS: ClassVar[dict[str, LazyString]] = {"code": _l("Recovery code")}


class RecoveryCodesForm(OurWords, MfRecoveryCodesForm):
    """Making new recovery codes."""


class KindForm(OurWords, TwoFactorSelectForm):
    """Which second factor to use, for who has several."""

    which = ChoiceMadeByButton()


FORMS: dict[str, Any] = {
    "login_form": SignInForm,
    "verify_form": AgainForm,
    "forgot_password_form": ForgotForm,
    "reset_password_form": ResetForm,
    "change_password_form": ChangeForm,
    "two_factor_setup_form": SecondStepForm,
    "two_factor_verify_code_form": CodeForm,
    "two_factor_rescue_form": NoCodeForm,
    "two_factor_select_form": KindForm,
    "mf_recovery_form": RecoveryForm,
    "mf_recovery_codes_form": RecoveryCodesForm,
}

_MAY_HAVE_SENT = _l(
    "If somebody signs in with this address, a letter with a link is on its way. The link works for 10 minutes, once."
)
_BAD_LINK = _l("This link does not work any more. Ask for a new one.")
_BAD_CODE = _l("This code is not right, or it was used before. Wait for the next one and type it again.")

MESSAGES: dict[str, tuple[LazyString, str]] = {
    "GENERIC_AUTHN_FAILED": (
        _l("Address or password is not right. Check both; capital letters count in passwords."),
        "error",
    ),
    "GENERIC_RECOVERY": (_MAY_HAVE_SENT, "info"),
    "PASSWORD_RESET_REQUEST": (_MAY_HAVE_SENT, "info"),
    "PASSWORD_RESET_EXPIRED": (_BAD_LINK, "error"),
    "INVALID_RESET_PASSWORD_TOKEN": (_BAD_LINK, "error"),
    "PASSWORD_RESET_NO_LOGIN": (_l("Your password is changed. Sign in with it now."), "success"),
    "PASSWORD_CHANGE": (_l("Your password is changed. You are signed out everywhere else."), "success"),
    "PASSWORD_NOT_PROVIDED": (_l("Type your password."), "error"),
    "EMAIL_NOT_PROVIDED": (_l("Type your e-mail address."), "error"),
    "INVALID_EMAIL_ADDRESS": (_l("Write an e-mail address like name@example.com."), "error"),
    "INVALID_PASSWORD": (_l("This password is not right."), "error"),
    "RETYPE_PASSWORD_MISMATCH": (_l("The two passwords are not the same."), "error"),
    "PASSWORD_IS_THE_SAME": (_l("This is your present password. Choose another one."), "error"),
    "REAUTHENTICATION_REQUIRED": (_l("To be sure that it is you, give your password again."), "info"),
    "REAUTHENTICATION_SUCCESSFUL": (_l("Thank you. Now go on."), "success"),
    "UNAUTHENTICATED": (_l("Sign in to see this page."), "info"),
    "ANONYMOUS_USER_REQUIRED": (_l("You are signed in already."), "info"),
    "TWO_FACTOR_INVALID_TOKEN": (_BAD_CODE, "error"),
    "TWO_FACTOR_LOGIN_SUCCESSFUL": (_l("You are signed in."), "success"),
    "TWO_FACTOR_CHANGE_METHOD_SUCCESSFUL": (_l("Your authenticator is set up."), "success"),
    "TWO_FACTOR_PERMISSION_DENIED": (_l("This took too long, or was begun in another window. Sign in again."), "error"),
    "TWO_FACTOR_METHOD_NOT_AVAILABLE": (
        _l("The second step can be moved to another device, but not taken away."),
        "error",
    ),
    "TWO_FACTOR_SETUP_EXPIRED": (_l("This took too long. Begin again."), "error"),
    "INVALID_CODE": (_BAD_CODE, "error"),
    "INVALID_RECOVERY_CODE": (_l("This recovery code is not right, or it was used before."), "error"),
    "NO_RECOVERY_CODES_SETUP": (_l("There are no recovery codes yet. Make some below."), "info"),
}
"""Flask-Security's messages in plain words. The ones that name an address are the same for known and unknown ones."""
